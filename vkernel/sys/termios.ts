/**
 * Terminal modes: flags of struct termios and indexes of its control characters (dragonfly-abi.md 4.9).
 *
 * Counterpart: sys/sys/termios.h, ttydefaults.h
 */
// c_iflag
export const IGNBRK = 0x1;
export const BRKINT = 0x2;
export const PARMRK = 0x8;
export const ISTRIP = 0x20;
export const INLCR = 0x40;
export const IGNCR = 0x80;
export const ICRNL = 0x100;
export const IXON = 0x200;
export const IXOFF = 0x400;
export const IXANY = 0x800;
export const IMAXBEL = 0x2000;
// c_oflag
export const OPOST = 0x1;
export const ONLCR = 0x2;
export const OXTABS = 0x4;
export const ONOEOT = 0x8;
export const OCRNL = 0x10;
export const ONOCR = 0x20;
export const ONLRET = 0x40;
// c_cflag
export const CS8 = 0x300;
export const CREAD = 0x800;
export const HUPCL = 0x4000;
// c_lflag
export const ECHOKE = 0x1;
export const ECHOE = 0x2;
export const ECHOK = 0x4;
export const ECHO = 0x8;
export const ECHONL = 0x10;
export const ECHOPRT = 0x20;
export const ECHOCTL = 0x40;
export const ISIG = 0x80;
export const ICANON = 0x100;
export const ALTWERASE = 0x200;
export const IEXTEN = 0x400;
export const TOSTOP = 0x400000;
export const FLUSHO = 0x800000;
export const NOKERNINFO = 0x2000000;
export const NOFLSH = 0x80000000;
// c_cc
export const VEOF = 0;
export const VEOL = 1;
export const VEOL2 = 2;
export const VERASE = 3;
export const VWERASE = 4;
export const VKILL = 5;
export const VREPRINT = 6;
export const VERASE2 = 7;
export const VINTR = 8;
export const VQUIT = 9;
export const VSUSP = 10;
export const VDSUSP = 11;
export const VSTART = 12;
export const VSTOP = 13;
export const VLNEXT = 14;
export const VDISCARD = 15;
export const VMIN = 16;
export const VTIME = 17;
export const VSTATUS = 18;
export const VDISABLE = 0xff;
/** ^D, none, none, DEL, ^W, ^U, ^R, ^H, ^C, ^\, ^Z, ^Y, ^Q, ^S, ^V, ^O, 1, 0, ^T; no checkpoint key (there is no checkpointing). */
export const TTYDEFCHARS = [
  4, 0xff, 0xff, 0x7f, 0x17, 0x15, 0x12, 8, 3, 0x1c, 0x1a, 0x19, 0x11, 0x13, 0x16, 0xf, 1, 0, 0x14, 0xff,
];
