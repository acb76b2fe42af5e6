/* The headers' structures have the ABI's sizes and offsets. Everything is checked by the compiler. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/disk.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/kinfo.h>
#include <sys/lwp.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/tls.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#define SIZE(type, n) _Static_assert(sizeof(type) == (n), #type " has the wrong size")
#define AT(type, field, n) _Static_assert(offsetof(type, field) == (n), #type "." #field " is misplaced")

SIZE(mode_t, 2);
SIZE(nlink_t, 4);
SIZE(ino_t, 8);
SIZE(dev_t, 4);
SIZE(off_t, 8);
SIZE(clock_t, 8);
SIZE(sigset_t, 16);
SIZE(struct stat, 128);
AT(struct stat, st_mode, 16);
AT(struct stat, st_rdev, 28);
AT(struct stat, st_atim, 32);
AT(struct stat, st_size, 80);
AT(struct stat, __old_st_blksize, 96);
AT(struct stat, st_blksize, 112);
SIZE(struct dirent, 272);
AT(struct dirent, d_type, 10);
AT(struct dirent, d_name, 16);
SIZE(struct statfs, 320);
AT(struct statfs, f_fstypename, 104);
AT(struct statfs, f_mntonname, 120);
AT(struct statfs, f_mntfromname, 218);
SIZE(struct statvfs, 160);
SIZE(struct flock, 24);
AT(struct flock, l_type, 20);
SIZE(struct rusage, 144);
SIZE(struct __wrusage, 288);
SIZE(struct sigaction, 32);
AT(struct sigaction, sa_flags, 8);
AT(struct sigaction, sa_mask, 12);
SIZE(stack_t, 24);
SIZE(siginfo_t, 80);
AT(siginfo_t, si_addr, 24);
AT(siginfo_t, si_band, 40);
SIZE(struct sigevent, 32);
SIZE(mcontext_t, 1280);
AT(mcontext_t, mc_rip, 168);
AT(mcontext_t, mc_len, 208);
AT(mcontext_t, mc_fpregs, 256);
SIZE(ucontext_t, 1408);
AT(ucontext_t, uc_mcontext, 64);
AT(ucontext_t, uc_link, 1344);
AT(ucontext_t, uc_stack, 1352);
SIZE(struct kevent, 32);
AT(struct kevent, fflags, 12);
SIZE(struct pollfd, 8);
SIZE(fd_set, 128);
SIZE(struct termios, 44);
AT(struct termios, c_cc, 16);
SIZE(struct winsize, 8);
SIZE(struct sockaddr_un, 106);
SIZE(struct sockaddr_storage, 128);
SIZE(struct msghdr, 48);
AT(struct msghdr, msg_controllen, 40);
SIZE(struct cmsghdr, 12);
SIZE(struct lwp_params, 40);
SIZE(struct tls_tcb, 64);
SIZE(struct kinfo_lwp, 312);
AT(struct kinfo_lwp, kl_ru, 96);
AT(struct kinfo_lwp, kl_wmesg, 280);
SIZE(struct kinfo_proc, 1048);
AT(struct kinfo_proc, kp_comm, 112);
AT(struct kinfo_proc, kp_pid, 220);
AT(struct kinfo_proc, kp_tdev, 280);
AT(struct kinfo_proc, kp_vm_map_size, 312);
AT(struct kinfo_proc, kp_ru, 368);
AT(struct kinfo_proc, kp_lwp, 664);
SIZE(struct kinfo_file, 72);
SIZE(struct kinfo_cputime, 104);
SIZE(struct vfsconf, 48);
SIZE(struct tmpfs_mount_info, 48);
SIZE(struct partinfo, 144);
_Static_assert(TIOCGETA == 0x402c7413, "TIOCGETA");
_Static_assert(TIOCGWINSZ == 0x40087468, "TIOCGWINSZ");
_Static_assert(DIOCGPART == 0x40906468, "DIOCGPART");
_Static_assert(FIODNAME == 0x80106678, "FIODNAME");
_Static_assert(AT_FDCWD == -328243, "AT_FDCWD");

int
main(void)
{
	printf("ok 1 - the headers have the ABI's layout\n1..1\n");
	return (0);
}
