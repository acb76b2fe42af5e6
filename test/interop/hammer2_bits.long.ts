/**
 * One flipped bit in every data block of both fixtures, an eighth of the blocks at a time: in a booted guest exactly the
 * pieces of files that these blocks hold are EIO, by read and by mmap, with a message for each; every other byte of
 * every file is right.
 */
import { expect } from 'chai';
import { join } from 'node:path';
import { scratchDir } from '../guest/support/guest.js';
import { fixtureImage, FIXTURES } from '../support/hammer2_fixture.js';
import { Boot, expectedBlocks, fixtureFiles, flipBit, h2blocksDisk, parseBlocks } from '../support/hammer2_guest.js';

const ROUNDS = 8;

describe('HAMMER2: a flipped bit in every data block', function () {
  this.timeout(900_000);
  for (const name of FIXTURES)
    it(name, async () => {
      const image = join(scratchDir(), 'bad.img');
      const program = h2blocksDisk();
      const { blocks } = fixtureFiles(name);
      fixtureImage(name, image);
      const boot = await new Boot(['-c', image, '-c', program]).ready();
      try {
        await boot.install('vcd1', '/tmp/h2blocks');
        for (let round = 0; round < ROUNDS; round++) {
          const bad = blocks.filter((_, i) => i % ROUNDS === round);
          bad.forEach((b, i) => flipBit(image, b, i * ROUNDS + round));
          const from = boot.console.length;
          expect((await boot.sh('mount_hammer2 -o ro /dev/vcd0@DATA /mnt')).status).to.equal(0);
          const out = parseBlocks(await boot.output('/tmp/h2blocks /mnt', 300_000), '/mnt');
          expect(out).to.deep.equal(expectedBlocks(name, new Set(bad.map((b) => b.dataOff))));
          const named = new Set(
            [...boot.console.slice(from).matchAll(/^hammer2: vcd0: CHECK FAIL bref 0x(\w{16})/gm)].map((m) => m[1]),
          );
          expect([...named].sort()).to.deep.equal(bad.map((b) => b.dataOff.toString(16).padStart(16, '0')).sort());
          expect((await boot.sh('umount /mnt')).status).to.equal(0);
          // The same seeds flip the same bits back.
          bad.forEach((b, i) => flipBit(image, b, i * ROUNDS + round));
        }
        expect((await boot.sh('mount_hammer2 -o ro /dev/vcd0@DATA /mnt')).status).to.equal(0);
        const out = parseBlocks(await boot.output('/tmp/h2blocks /mnt', 300_000), '/mnt');
        expect(out).to.deep.equal(expectedBlocks(name, new Set()));
        expect(await boot.halt()).to.equal(0);
      } finally {
        boot.close();
      }
    });
});
