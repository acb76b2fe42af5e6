/*
 * Launch a command on a pseudo-terminal and say how long it takes until a text appears.
 *
 * usage: launch TEXT COMMAND [ARG...]     TEXT of "" means: until the command has ended
 * prints "NANOSECONDS PID"; with a TEXT the command lives until standard input ends, and is then killed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec * 1e9 + ts.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  const char *text = argv[1];
  int pt = posix_openpt(O_RDWR | O_NOCTTY);
  if (pt < 0 || grantpt(pt) || unlockpt(pt)) return 70;
  struct winsize ws = {24, 80, 0, 0};
  int tt = open(ptsname(pt), O_RDWR | O_NOCTTY);
  if (tt < 0 || ioctl(tt, TIOCSWINSZ, &ws)) return 70;
  double t0 = now();
  pid_t pid = fork();
  if (pid == 0) {
    setsid();
    ioctl(tt, TIOCSCTTY, 0);
    for (int i = 0; i < 3; i++) dup2(tt, i);
    close(tt);
    close(pt);
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  close(tt);
  static char buf[1 << 20];
  size_t have = 0;
  int found = 0, status = 0;
  while (!found && have < sizeof buf - 1) {
    ssize_t n = read(pt, buf + have, sizeof buf - 1 - have);
    if (n <= 0) break;
    have += n;
    buf[have] = 0;
    found = *text && strstr(buf, text) != 0;
  }
  if (!*text || !found) {
    waitpid(pid, &status, 0);
    if (*text || status != 0) {
      fwrite(buf, 1, have, stderr);
      return 1;
    }
  }
  printf("%.0f %d\n", now() - t0, pid);
  fflush(stdout);
  if (*text) {
    struct pollfd p[2] = {{0, POLLIN, 0}, {pt, POLLIN, 0}};
    for (;;) {
      if (poll(p, 2, -1) <= 0) continue;
      if (p[0].revents) break;
      if (p[1].revents && read(pt, buf, sizeof buf) <= 0) break;
    }
    kill(pid, SIGTERM);
    for (int i = 0; i < 100 && waitpid(pid, &status, WNOHANG) == 0; i++) usleep(20000);
    kill(pid, SIGKILL);
  }
  return 0;
}
