/* Process records as kern.proc.* returns them. Counterpart: sys/sys/kinfo.h */
#ifndef _SYS_KINFO_H_
#define _SYS_KINFO_H_

#include <sys/_sigset.h>
#include <sys/resource.h>
#include <sys/rtprio.h>
#include <sys/types.h>

#define MAXCOMLEN 16
#define WMESGLEN 8
#define KI_NGROUPS 16

enum lwpstat { LSRUN = 1, LSSTOP = 2, LSSLEEP = 3 };
enum procstat { SIDL = 1, SACTIVE = 2, SSTOP = 3, SZOMB = 4, SCORE = 5 };

struct kinfo_lwp {
	pid_t kl_pid;
	lwpid_t kl_tid;
	int kl_flags;
	int kl_stat;
	int kl_lock;
	int kl_tdflags;
	int kl_mpcount;
	int kl_prio;
	int kl_tdprio;
	struct rtprio kl_rtprio;
	uint64_t kl_uticks;
	uint64_t kl_sticks;
	uint64_t kl_iticks;
	uint64_t kl_cpticks;
	unsigned int kl_pctcpu;
	unsigned int kl_slptime;
	int kl_origcpu;
	int kl_estcpu;
	int kl_cpuid;
	struct rusage kl_ru;
	sigset_t kl_siglist;
	sigset_t kl_sigmask;
	uintptr_t kl_wchan;
	char kl_wmesg[WMESGLEN + 1];
	char kl_comm[MAXCOMLEN + 1];
};
struct kinfo_proc {
	uintptr_t kp_paddr;
	int kp_flags;
	int kp_stat;
	int kp_lock;
	int kp_acflag;
	int kp_traceflag;
	uintptr_t kp_fd;
	sigset_t kp_siglist;
	sigset_t kp_sigignore;
	sigset_t kp_sigcatch;
	int kp_sigflag;
	struct timeval kp_start;
	char kp_comm[MAXCOMLEN + 1];
	uid_t kp_uid;
	short kp_ngroups;
	gid_t kp_groups[KI_NGROUPS];
	uid_t kp_ruid;
	uid_t kp_svuid;
	gid_t kp_rgid;
	gid_t kp_svgid;
	pid_t kp_pid;
	pid_t kp_ppid;
	pid_t kp_pgid;
	int kp_jobc;
	pid_t kp_sid;
	char kp_login[40];
	dev_t kp_tdev;
	pid_t kp_tpgid;
	pid_t kp_tsid;
	unsigned short kp_exitstat;
	int kp_nthreads;
	int kp_nice;
	unsigned int kp_swtime;
	size_t kp_vm_map_size;
	segsz_t kp_vm_rssize;
	segsz_t kp_vm_swrss;
	segsz_t kp_vm_tsize;
	segsz_t kp_vm_dsize;
	segsz_t kp_vm_ssize;
	unsigned int kp_vm_prssize;
	int kp_jailid;
	struct rusage kp_ru;
	struct rusage kp_cru;
	int kp_auxflags;
	struct kinfo_lwp kp_lwp;
	uintptr_t kp_ktaddr;
	uint64_t kp_syscaps[8];
};
#define KI_CTTY 1
#define KI_SLEADER 2

#define P_CONTROLT 0x00000002
#define P_SWAPPEDOUT 0x00000004
#define P_PPWAIT 0x00000010
#define P_SUGID 0x00000100
#define P_SYSTEM 0x00000200
#define P_TRACED 0x00000800
#define P_WAITED 0x00001000
#define P_WEXIT 0x00002000
#define P_EXEC 0x00004000
#define P_JAILED 0x01000000

struct kinfo_file {
	size_t f_size;
	pid_t f_pid;
	uid_t f_uid;
	int f_fd;
	void *f_file;
	short f_type;
	int f_count;
	int f_msgcount;
	off_t f_offset;
	void *f_data;
	unsigned int f_flag;
};
struct kinfo_cputime {
	uint64_t cp_user;
	uint64_t cp_nice;
	uint64_t cp_sys;
	uint64_t cp_intr;
	uint64_t cp_idle;
	uint64_t cp_unused01;
	uint64_t cp_unused02;
	uint64_t cp_sample_pc;
	uint64_t cp_sample_sp;
	char cp_msg[32];
};

#endif
