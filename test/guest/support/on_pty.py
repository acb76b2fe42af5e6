#!/usr/bin/env python3
"""Run a command on a pseudo-terminal and talk to it by lines of JSON on stdin/stdout.

Usage: on_pty.py ROWS COLS COMMAND [ARG...]
In:  {"send": "text"} | {"resize": [rows, cols]} | {"kill": signal}
Out: {"data": "text"} ... {"exit": code, "raw": bool}    (code is 128+n when a signal killed it;
     raw tells whether the terminal was left without ECHO or ICANON)
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios, time


def main():
    rows, cols = int(sys.argv[1]), int(sys.argv[2])
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.close(master)
        os.close(slave)
        os.execvp(sys.argv[3], sys.argv[3:])
    out = sys.stdout
    buf = b""
    stdin_open = True
    while True:
        fds = [master] + ([0] if stdin_open else [])
        ready, _, _ = select.select(fds, [], [], 0.05)
        if master in ready:
            try:
                data = os.read(master, 65536)
            except OSError:
                data = b""
            if data:
                out.write(json.dumps({"data": data.decode("latin1")}) + "\n")
                out.flush()
        if 0 in ready:
            chunk = os.read(0, 65536)
            if not chunk:
                stdin_open = False
                os.kill(pid, signal.SIGHUP)
            buf += chunk
            while b"\n" in buf:
                line, buf = buf.split(b"\n", 1)
                msg = json.loads(line)
                if "send" in msg:
                    os.write(master, msg["send"].encode("latin1"))
                if "resize" in msg:
                    r, c = msg["resize"]
                    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", r, c, 0, 0))
                    os.kill(pid, signal.SIGWINCH)
                if "kill" in msg:
                    os.kill(pid, msg["kill"])
        if not ready:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                # After SIGKILL somebody else restores the terminal, and needs a moment.
                for _ in range(50 if os.WIFSIGNALED(status) else 1):
                    lflag = termios.tcgetattr(slave)[3]
                    raw = not (lflag & termios.ECHO and lflag & termios.ICANON)
                    if not raw:
                        break
                    time.sleep(0.02)
                out.write(json.dumps({"exit": code, "raw": raw}) + "\n")
                out.flush()
                return


main()
