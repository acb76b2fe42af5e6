/*
 * sh.h: what the parts of the shell know of each other.
 *
 * Invariants that everything leans on:
 *  - Syntax trees live in reference-counted arenas (one per complete command); a function definition keeps
 *    a reference to the arena it came from, so nothing is ever copied out of a tree.
 *  - Results of expansion live in the temporary arena, which every command releases to its mark.
 *  - No signal handler jumps: handlers set flags, safe points (sh_check_signals) act on them.
 *  - Errors and interrupts unwind by sh_throw to the innermost sh_try, which restores redirections,
 *    local variables, inputs and the temporary arena to what they were when it was entered.
 */
#ifndef SH_H
#define SH_H

#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE 1
#endif
#include <sys/types.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#ifndef NSIG
#define NSIG 65
#endif

#define SH_FD_MIN 60 /* the shell's private descriptors live from here up, out of the script's way */

/* ---- mem.c: arenas and string buffers ---- */
struct chunk {
	struct chunk *next;
	size_t size, used;
	max_align_t data[];
};
struct arena {
	struct chunk *head;
	int refs;
};
struct mark {
	struct chunk *chunk;
	size_t used;
};
struct sbuf { /* grows in the temporary arena; not NUL-terminated until sb_str */
	char *s;
	size_t len, cap;
};

void *sh_malloc(size_t n);
void *sh_realloc(void *p, size_t n);
char *sh_strdup(const char *s);
struct arena *arena_new(void);
void arena_drop(struct arena *a);
void *arena_alloc(struct arena *a, size_t n);
char *arena_strn(struct arena *a, const char *s, size_t n);
void *tmp_alloc(size_t n);
char *tmp_strn(const char *s, size_t n);
char *tmp_str(const char *s);
struct mark tmp_mark(void);
void tmp_release(struct mark m);
void sb_init(struct sbuf *b);
void sb_putc(struct sbuf *b, int c);
void sb_putn(struct sbuf *b, const char *s, size_t n);
void sb_puts(struct sbuf *b, const char *s);
char *sb_str(struct sbuf *b);

/* ---- error.c: exceptions and output ---- */
enum sh_exc { EXC_NONE, EXC_ERROR, EXC_INT, EXC_EXIT };
struct input;
struct sh_try {
	jmp_buf jb;
	struct sh_try *prev;
	struct mark mark;
	struct input *in;
	struct sbuf *capture;
	int redir_level, local_level, loopnest, funcnest, dotnest;
};
extern struct sbuf *out_capture; /* where builtin output goes instead of descriptor 1, or NULL */
/* Use: sh_try_enter(&t); exc = setjmp(t.jb); if (exc == 0) { ...; sh_try_leave(&t); } else { already left } */
void sh_try_enter(struct sh_try *t);
void sh_try_leave(struct sh_try *t);
_Noreturn void sh_throw(int exc);
_Noreturn void sh_error(const char *fmt, ...);            /* message, status 2, EXC_ERROR */
void sh_warn(const char *fmt, ...);                       /* message only */
int sh_fail(int status, const char *fmt, ...);            /* message, returns the status */
extern struct sh_try *sh_cur_try;

void out_n(const char *s, size_t n); /* buffered standard output of builtins */
void out_s(const char *s);
void out_c(int c);
void out_f(const char *fmt, ...);
void out_quoted(const char *s); /* re-input form */
int out_flush(void);            /* 0, or -1 if a write failed since the last flush */
void err_n(const char *s, size_t n);
void err_f(const char *fmt, ...);
char *num_str(char *end, long n); /* writes backwards from end; async-signal and vfork safe */

/* ---- the state ---- */
struct params {
	int n;
	char **v;    /* current first parameter */
	char **base; /* malloc'd vector to free with its strings, or NULL when borrowed */
	int nbase;
};
enum { SKIP_NONE, SKIP_BREAK, SKIP_CONT, SKIP_RETURN };
struct sh_state {
	int status;      /* $? */
	int sub_status;  /* status of the last command substitution, -1 when none ran */
	pid_t pid;       /* $$ */
	pid_t bgpid;     /* $!, 0 when unset */
	char *arg0;      /* $0 */
	struct params params;
	int loopnest, funcnest, dotnest;
	int skip, skipcount;
	int subshell; /* depth of forked subshells */
	int lineno;
	bool interactive, login;
	bool jobctl; /* job control in force in this process */
	bool exiting;
	struct params *getopts_params;
	int getopts_pos;
};
extern struct sh_state sh;
extern unsigned char optv[128]; /* options by letter; 'P' pipefail, 'I' ignoreeof, 'V' vi, 'E' emacs, 'q' nolog */

/* ---- syntax tree ---- */
enum wtype { W_LIT, W_PARAM, W_CMD, W_ARITH };
enum pop { P_NONE, P_MINUS, P_PLUS, P_ASSIGN, P_ERROR, P_LEN, P_HASH, P_HHASH, P_PCT, P_PPCT };
struct node;
struct wpart {
	struct wpart *next;
	unsigned char type, quoted, op, colon;
	char *str;          /* literal text, or parameter name */
	struct wpart *arg;  /* operand of a parameter operator, or arithmetic text */
	struct node *cmd;   /* command substitution; NULL when empty */
};
struct word {
	struct word *next;
	struct wpart *parts;
};
struct assign {
	struct assign *next;
	char *name;
	struct wpart *value;
};
enum rop { R_IN, R_OUT, R_CLOBBER, R_APPEND, R_RDWR, R_DUPIN, R_DUPOUT, R_HERE };
struct redir {
	struct redir *next;
	int op, fd;
	struct wpart *target; /* file or descriptor word; for R_HERE the body */
	char *delim;
	bool strip, quoted;
	struct redir *pending;
};
enum ntype { N_SIMPLE, N_PIPE, N_AND, N_OR, N_SEQ, N_BG, N_NOT, N_SUBSHELL, N_GROUP, N_IF, N_WHILE, N_UNTIL, N_FOR, N_CASE, N_FUNC };
struct citem {
	struct citem *next;
	struct word *pats;
	struct node *body;
	bool fallthrough;
};
struct node {
	int type, line;
	struct redir *redirs;
	struct arena *arena;
	struct word *words;     /* SIMPLE, FOR */
	struct assign *assigns; /* SIMPLE */
	struct node *a, *b, *c; /* operands; IF: condition, then, else; loops: condition, body */
	struct node *next;      /* PIPE and SEQ members */
	struct citem *items;
	char *name; /* FOR variable, FUNC name */
	bool has_in;
};

/* ---- input.c, lex.c, parse.c, alias.c, text.c ---- */
#define SH_EOF (-1)
struct alias {
	struct alias *next;
	char *name, *value;
	bool busy, dead;
};
void in_push_string(const char *s, struct alias *al, bool transparent);
int in_push_file(const char *path); /* 0 or errno */
void in_push_fd(int fd, bool interactive);
void in_pop(void);
void in_pop_to(struct input *in);
struct input *in_current(void);
int in_getc(void);
void in_ungetc(int c);
int in_lineno(void);
void in_set_lineno(int n);
void in_discard(void); /* forget what was read of the current terminal line */
bool in_at_eof(void);  /* nothing but blanks left in a string input */
bool in_took_alias_blank(void);
void in_forked(void);
extern int in_prompt;  /* 1: PS1, 2: PS2 */

enum tok { T_EOF, T_NL, T_SEMI, T_BG, T_PIPE, T_AND, T_OR, T_DSEMI, T_SEMIAND, T_LP, T_RP, T_WORD, T_REDIR };
struct lexer {
	int tok;
	bool have, alias_done;
	struct wpart *word;
	struct redir *redir;
	struct redir *pending, **pending_tail;
	int line;
};
extern struct lexer lx;
extern struct arena *lx_arena;
void lx_reset(void);
int lx_token(void);
struct wpart *lx_word(void); /* an unquoted word up to a metacharacter; NULL when there is none */
int lx_getc(void);
struct wpart *lx_string(const char *s); /* here-document style: $, ` and \ only */
const char *lx_literal(struct wpart *w); /* text of a wholly unquoted literal word, else NULL */
void *lx_alloc(size_t n);
bool is_name(const char *s);
size_t name_len(const char *s);
bool name_start(int c);
bool name_char(int c);

enum parse_result { PARSE_OK, PARSE_EMPTY, PARSE_EOF };
struct tree {
	struct arena *arena;
	struct node *node;
};
int parse_command(struct tree *t);
struct node *parse_list_until(int tok);
/* between parse.c and compound.c */
int p_peek(void);
int p_peek_cmd(void); /* in command position: aliases are expanded */
void p_skip(void);
void p_skip_newlines(void);
bool p_is_kw(const char *kw);
void p_expect_kw(const char *kw);
_Noreturn void p_unexpected(const char *want);
struct node *p_node(int type);
struct word *p_word(struct wpart *parts);
struct node *p_list(bool top);
struct node *p_body(void);
struct node *p_compound(void);
struct alias *alias_find(const char *name);
void alias_unbusy(struct alias *a);
char *node_text(struct node *n); /* in the temporary arena */

/* ---- expand.c, split.c, glob.c, arith.c ---- */
enum { A_LIT, A_QUOTED, A_SPLIT, A_BREAK, A_NULL };
struct xbuf {
	char *c;
	unsigned char *a;
	size_t n, cap;
};
struct args {
	int n, cap;
	char **v; /* NULL-terminated; v[-1] is a spare slot */
};
enum { X_TILDE = 1, X_ASSIGN = 2, X_INPARAM = 4, X_NOJOIN = 8 };
void args_init(struct args *a);
void args_add(struct args *a, char *s);
void expand_word(struct wpart *w, struct args *out);       /* split, glob, quote removal */
char *expand_one(struct wpart *w, int flags);              /* one string, no splitting */
char *expand_pattern(struct wpart *w);                     /* pattern, quoted characters escaped */
char *expand_prompt(const char *s);
void expand_parts(struct xbuf *x, struct wpart *w, int flags);
void xb_put(struct xbuf *x, int c, int attr);
void xb_puts(struct xbuf *x, const char *s, int attr);
char *xb_pattern(struct xbuf *x, size_t from, size_t to, bool *magic);
void split_fields(struct xbuf *x, struct args *out);
/* Expansion has no side effect and cannot fail; without allow_cmd it cannot take long either. */
bool words_pure(struct word *w, bool allow_cmd);
bool parts_pure(struct wpart *w, bool allow_cmd);
bool glob_magic(const char *s);
bool pat_match(const char *pat, const char *s, const char *end);
bool glob_expand(const char *pat, struct args *out);
long long arith_eval(const char *s);
long long arith_number(const char *s, char **end);

/* ---- var.c, options.c ---- */
enum { V_EXPORT = 1, V_READONLY = 2, V_SET = 4 };
struct var {
	struct var *next;
	char *name, *value;
	int flags;
};
void var_init(char **envp);
struct var *var_find(const char *name);
const char *var_get(const char *name);
const char *var_ifs(void);
void var_set(const char *name, const char *value, int flags); /* throws on readonly */
bool var_try_set(const char *name, const char *value, int flags);
int var_unset(const char *name); /* 0, or -1 on readonly */
char **var_environ(char **extra, int nextra); /* in the temporary arena; extra are name=value */
int local_push(void);
void local_pop_to(int level);
void local_add(const char *name);
int local_level(void);
void var_print(int flags, const char *prefix);
const char *param_special(const char *name, char *buf); /* $#, $?, ... and positional; NULL when unset */
void params_set(char **v, int n);
void params_free(struct params *p);
int opt_parse(char **argv, int *i, bool set); /* one option argument; for set and the command line */
void opt_changed(void);
char *opt_flags(char *buf);
void opt_list(bool reinput);
int opt_named(const char *name, bool on);

/* ---- redir.c ---- */
struct rplan { /* one redirection with its words expanded: acting on it takes system calls only */
	struct rplan *next;
	int op, fd, src; /* src: descriptor to duplicate, -1 to close, -2: open path */
	char *path;
	bool own; /* src is ours to close in this process */
};
struct rplan *redir_plan(struct redir *r);
int redir_act(const struct rplan *p); /* 0, or -1 and errno; no memory touched */
int redir_push(struct rplan *p, bool save); /* in this process; prints and returns -1 on error */
void redir_pop_to(int level);
int redir_level(void);
void redir_keep(int level); /* make permanent all above level (exec) */
void redir_close_plan(struct rplan *p);
bool redir_may_block(const struct rplan *p);
int fd_private(int fd); /* move above SH_FD_MIN, close on exec */

/* ---- exec.c, simple.c, spawn.c ---- */
enum { EV_EXIT = 1, EV_TESTED = 2, EV_INCHILD = 4 }; /* INCHILD: a subshell node is already in its process */
int eval(struct node *n, int flags);
int eval_string(const char *s, int flags);
int eval_input(int flags); /* commands from the current input until its end */
int eval_simple(struct node *n, int flags);
struct job;
struct pipe_fds;
bool simple_spawn(struct node *n, struct job *j, const struct pipe_fds *pf, bool bg, bool allow_cmd);
char *cmdsub_output(struct node *n, size_t *len);
struct func {
	struct func *next;
	char *name;
	struct node *body;
	struct arena *arena;
	int refs;
};
struct func *func_find(const char *name);
void func_define(const char *name, struct node *body, struct arena *a);
int func_unset(const char *name);
int func_call(struct func *f, char **argv, int argc, int flags);
const char *path_search(const char *name, const char *path, int *err); /* NULL and errno when not found */
const char *path_lookup(const char *name, int *err);                   /* through the hash table */
void hash_clear(void);
void hash_print(void);
_Noreturn void exec_external(char **argv, char **envp, const char *path); /* argv[-1] is scratch */
struct pipe_fds { /* what a member of a pipeline gets: -1 for none; other is to be closed */
	int in, out, other;
};
pid_t spawn_external(char **argv, char **envp, const char *file, struct rplan *plan, struct job *j, const struct pipe_fds *pf, bool bg);
void pipe_fds_use(const struct pipe_fds *pf);
void xtrace(struct assign *as, char **vals, char **argv);
_Noreturn void sh_exit(int status);   /* unwinds to the base of this process */
_Noreturn void sh_terminate(void);    /* at the base: EXIT trap, then _exit */
_Noreturn void child_run(struct node *n, int flags);
pid_t sh_fork(struct job *j, bool bg); /* fork with job bookkeeping on both sides */
void child_init(struct job *j, bool bg);

/* ---- jobs.c ---- */
enum { J_RUN, J_STOP, J_DONE };
struct proc {
	pid_t pid;
	int status, state;
	char *text;
};
struct job {
	struct job *next;
	int id; /* 0 until it is listed */
	pid_t pgid;
	int nproc, capproc;
	struct proc *procs;
	bool jobctl, bg, changed, waited;
	unsigned long stamp; /* recency, for %+ and %- */
	bool has_tty;
	void *tty; /* saved terminal modes of a stopped job */
};
struct job *job_new(void);
void job_add(struct job *j, pid_t pid, char *text);
void job_free(struct job *j);
int job_wait_fg(struct job *j);    /* status; lists the job if it stopped */
void job_background(struct job *j); /* list it, set $! */
int job_state(const struct job *j);
int job_status(const struct job *j);
int job_reap(bool block); /* one waitpid: >0 something, 0 nothing, -1 no children or interrupted */
void job_notify(void);
void job_clear_all(void); /* in a child */
struct job *job_find(const char *spec, const char **why);
struct job *job_by_pid(pid_t pid);
struct job *job_list(void);
void job_print(struct job *j, int mode); /* 0 plain, 1 -l, 2 -p */
int job_resume(struct job *j, bool fg);
void jobctl_set(bool on);
bool job_any_stopped(void);
void job_trim(void);
extern int tty_fd;
int status_of(int wstatus);

/* ---- trap.c ---- */
extern volatile sig_atomic_t sig_any; /* some flag below is set */
extern volatile sig_atomic_t sig_int; /* untrapped SIGINT of an interactive shell */
void trap_init(void);
void trap_set(int sig, const char *action); /* NULL: default, "": ignore */
void trap_run(void);
void trap_exit(void); /* the EXIT trap */
void trap_clear_child(void);
void trap_update(int sig); /* install what traps and interactivity ask for */
void trap_restore_for_exec(bool own_group); /* system calls only: for vfork children too */
bool trap_pending(void);
int trap_pending_signal(void);
bool trap_any(void);
int sig_number(const char *name); /* -1 when unknown; EXIT is 0 */
const char *sig_name(int sig, char *buf);
const char *sig_text(int sig, char *buf);
int sig_max(void);
void sh_check_signals(void);
int bi_trap(int argc, char **argv);

/* ---- builtins ---- */
struct builtin {
	const char *name;
	int (*fn)(int argc, char **argv);
	int flags;
};
enum { B_SPECIAL = 1, B_ASSIGN = 2, B_PURE = 4 }; /* B_PURE: only writes to standard output */
const struct builtin *builtin_find(const char *name);
int builtin_run(const struct builtin *b, int argc, char **argv);
struct optget { /* getopt for builtins, without global state */
	int i, pos;
	char *arg;
};
int og_next(struct optget *g, int argc, char **argv, const char *opts); /* letter, -1 at the end, '?' after a message */

/* ---- edit.c ---- */
char *edit_line(const char *prompt); /* malloc'd line with its newline; NULL at end of file; throws EXC_INT */
bool edit_usable(void);

#endif
