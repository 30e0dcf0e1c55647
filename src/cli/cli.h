/*
 * cli: what a command of the `openshell` program is.
 *
 * A command is a table and a function.  Parsing, help, man pages and
 * completion are all read from the same rows, so they cannot disagree.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* Exit statuses that are ours (a command run inside has its own). */
enum cli_status {
	CLI_OK = 0,
	CLI_FAILED = 1, /* a runtime error */
	CLI_USAGE = 2, /* the command line is wrong */
	CLI_TIMEOUT = 124, /* --timeout struck */
	CLI_NO_SANDBOX = 125, /* the sandbox could not be made, or broke */
	CLI_NOT_EXECUTABLE = 126,
	CLI_NOT_FOUND = 127,
	CLI_SIGNAL = 128 /* plus the signal's number */
};

/* Where a command reads and writes; descriptors are borrowed. */
struct cli {
	int in, out, err;
	bool color_out, color_err;
	bool utf8; /* marks may be more than ASCII */
	bool pipe_ends; /* a closed standard output ends us with SIGPIPE */
	unsigned width; /* columns for help */
	unsigned verbose; /* count of -v */
	const char *gateway, *endpoint; /* --gateway, --gateway-endpoint, or
					   NULL */
};

/* What an option or positional stores at its offset. */
enum cli_kind {
	OPT_KIND_END,
	OPT_FLAG, /* bool; twice is an error */
	OPT_SET, /* int becomes .set; the last one given wins */
	OPT_COUNT, /* unsigned, one more each time */
	OPT_STR, /* const char * */
	OPT_LIST, /* struct cli_list, one value each time */
	OPT_ENV, /* struct cli_list of K[=V], K a name */
	OPT_UINT, /* unsigned within min and max */
	OPT_SIZE, /* uint64_t bytes: 512M, 2G */
	OPT_DURATION, /* unsigned seconds: 90, 5m, 1h30m */
	OPT_ENUM /* unsigned, index into choices */
};

/* What completes a value. */
enum cli_hint {
	HINT_NONE,
	HINT_FILE,
	HINT_DIR,
	HINT_COMMAND,
	HINT_SANDBOX, /* what the gateway has */
	HINT_GATEWAY, /* what is registered here */
	HINT_PROVIDER, /* what the gateway has */
	HINT_PROVIDER_TYPE,
	HINT_SETTING
};

struct cli_list {
	const char **v; /* borrowed strings; NULL-terminated when n > 0 */
	size_t n;
};

struct cli_opt {
	const char *name; /* long name without dashes */
	char letter; /* short name, or 0 */
	enum cli_kind kind;
	size_t off;
	int set; /* of OPT_SET; of OPT_DURATION: 1 wants a unit */
	uint64_t min, max; /* of numbers; max 0: none */
	const char *value; /* name of the value in help: "FILE" */
	const char *const *choices; /* of OPT_ENUM, NULL-terminated */
	const char *help; /* one sentence, no full stop */
	const char *more; /* what only --help adds, or NULL */
	const char *env; /* variable that gives a default */
	bool hidden, required;
	enum cli_hint hint;
};

struct cli_pos {
	const char *name; /* upper case: "FILE" */
	enum cli_kind kind; /* OPT_STR or OPT_LIST; OPT_LIST comes last */
	size_t off;
	bool optional;
	bool trailing; /* the first word and all after it, options too */
	bool before_dashes; /* optional, and passed over after "--" */
	const char *help;
	enum cli_hint hint;
};

/* Rows name a field of the file's own `struct args`. */
#define OPT(field) .off = offsetof(struct args, field)
#define OPT_END \
	{ \
		.kind = OPT_KIND_END \
	}

struct cli_cmd {
	const char *path; /* "policy check" */
	const char *summary; /* one line, no full stop */
	const char *about; /* paragraphs for --help and the man page */
	const char *examples; /* lines, or NULL */
	const char *status; /* exit status in words, for the man page */
	const struct cli_opt *opts; /* may be NULL */
	const struct cli_pos *pos; /* may be NULL */
	size_t args_size;
	bool hidden;
	int fail_status; /* when run fails; 0: CLI_FAILED */
	/*
	 * The exit status, or -1 with the reason in *e (printed by cli_main).
	 * `argp` is the filled struct args.
	 */
	int (*run)(struct cli *c, const void *argp, struct err *e);
};

/* A word that only holds commands: "policy". */
struct cli_group {
	const char *path, *summary, *about;
};

/* Another spelling of a path: never offered, always understood. */
struct cli_alias {
	const char *from, *to;
};

extern const struct cli_cmd *const cli_cmds[]; /* NULL-terminated */
extern const struct cli_group cli_groups[]; /* ends with path NULL */
extern const struct cli_alias cli_aliases[]; /* ends with from NULL */
extern const struct cli_opt cli_globals[]; /* -g, -v, -h, -V */
const struct cli_cmd *cli_find_cmd(const char *path);
const struct cli_group *cli_find_group(const char *path);
/* Is `path` the parent of a command or group ("" is the root)? */
bool cli_has_children(const char *path);

enum cli_asks { CLI_RUN, CLI_HELP_SHORT, CLI_HELP_LONG, CLI_VERSION };

struct cli_parsed {
	enum cli_asks asks;
	char path[64]; /* how far the words were understood */
	const struct cli_cmd *cmd; /* NULL: a group, show its help */
	void *args; /* of cmd->args_size, or NULL */
	unsigned verbose;
	const char *gateway, *endpoint; /* the options, or NULL */
};

/*
 * Parses a command line (argv[0] is the program).  -1 is a usage error: its
 * first line what is wrong, a second one a hint.  *out is valid either way
 * and is released with cli_parsed_fini.  Strings in args borrow from argv.
 */
int cli_parse(int argc, char *const argv[], struct cli_parsed *out,
    struct err *e) MUST_USE;
void cli_parsed_fini(struct cli_parsed *p);

/* Values of options; -1 with what is wrong, without naming the option. */
int cli_value_uint(const char *s, uint64_t min, uint64_t max, unsigned *out,
    struct err *e) MUST_USE;
int cli_value_size(const char *s, uint64_t *out, struct err *e) MUST_USE;
/* `unit`: a bare number is refused; else it counts seconds. */
int cli_value_duration(
    const char *s, bool unit, unsigned *out, struct err *e) MUST_USE;

/* K or K=V of an OPT_ENV: the key, and the value given or the user's own. */
int cli_value_env(const char *given, struct view *key, const char **value,
    struct err *e) MUST_USE;

/*
 * Of the user's environment only how to show text goes inside unasked:
 * everything else may hold a secret and needs --env.
 */
enum { CLI_PASSED = 12 };
extern const struct cli_passed {
	const char *name;
	bool tty_only; /* goes with a terminal */
} cli_passed[CLI_PASSED];

/* The candidate nearest to `word`, or NULL when none is near. */
struct cli_nearest {
	const char *word, *best;
	unsigned distance;
};
void cli_nearest_offer(struct cli_nearest *n, const char *candidate);

/* Help for a path ("" is the root), as `-h` (brief) or `--help` shows it. */
void cli_help(
    const char *path, bool brief, bool color, unsigned width, struct buf *out);
/* "openshell run [OPTIONS] [--] [COMMAND]..." */
void cli_usage_line(const char *path, struct buf *out);
/* "openshell-policy-check". */
void cli_man_name(const char *path, struct buf *out);
/* A man page in man(7) form. */
void cli_man(const char *path, struct buf *out);
/* Text in lines of at most `width` columns, later lines indented. */
void cli_wrap(
    const char *text, unsigned indent, unsigned width, struct buf *out);
/* Option names as shown: "-n, --limit <N>". */
void cli_opt_spelling(const struct cli_opt *o, struct buf *out);

/*
 * Completion: candidates for words[index], a line each ("word\tdescription");
 * a line ":files", ":dirs" or ":command INDEX" asks the shell to do its own.
 */
void cli_complete(
    size_t index, const char *const *words, size_t n, struct buf *out);
/* The registration script for a shell; -1 when it is not known. */
int cli_completion_script(const char *shell, struct buf *out) MUST_USE;

/* Writes all of b (which must be whole) to stdout. */
int cli_out(struct cli *c, const struct buf *b, struct err *e) MUST_USE;
/* "✓ Created provider NAME" there, or "! ..." in another colour. */
int cli_say(struct cli *c, bool ok, const char *did, const char *name,
    const char *tail, struct err *e) MUST_USE;
/* cli_out on stderr, where a failure has nobody to be told. */
void cli_note(struct cli *c, const struct buf *b);
/* "Error:" and the causes, outermost first. */
void cli_print_error(struct cli *c, const struct err *e);
/* The same for a command line that no row can tell to be wrong: CLI_USAGE. */
int cli_misused(struct cli *c, const struct err *e);

enum cli_color {
	COLOR_HEADING,
	COLOR_LABEL,
	COLOR_OK,
	COLOR_WARN,
	COLOR_BAD,
	COLOR_HINT
};
/* Appends text in a role's colour when `on`. */
void cli_paint(struct buf *out, bool on, enum cli_color role, const char *text);
/*
 * Colours on this stream?  A terminal, NO_COLOR unset or empty, TERM not
 * "dumb"; CLICOLOR_FORCE set and not "0" wins over the terminal test.
 */
bool cli_color_wanted(int fd);

/* Told by the user's shell to be ignored (nohup, background): it stays so. */
bool cli_signal_ignored(int signo);

/* The whole program: parse, run, print errors; the exit status. */
int cli_main(struct cli *c, int argc, char *const argv[]);
/* The program's own streams and what they can show; ignores SIGPIPE. */
void cli_init(struct cli *c);

#endif
