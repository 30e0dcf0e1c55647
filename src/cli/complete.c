/*
 * complete: the completion engine and the scripts that call it.
 *
 * The scripts know nothing of our options: they pass the words to the hidden
 * `openshell __complete INDEX -- WORDS...` and show what it answers, so a new
 * option completes in every shell without a new script.  They call the program
 * by its bare name, so a moved binary keeps completing.
 */
#include "cli/reach.h"
#include "secrets/profile.h"
#include "settings/settings.h"

struct walk {
	char path[64];
	const struct cli_cmd *cmd;
	const struct cli_opt *value_of; /* an option waits for its value */
	size_t pos;
	size_t command_at; /* where a trailing command begins; 0: nowhere */
	bool only_words;
};

static const struct cli_opt *
find_option(const struct cli_cmd *cmd, const char *word)
{
	const struct cli_opt *tables[] = { cli_globals,
		cmd != NULL ? cmd->opts : NULL };

	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (const struct cli_opt *o = tables[t];
		     o != NULL && o->kind != OPT_KIND_END; o++) {
			if (strncmp(word, "--", 2) == 0
				? strcmp(word + 2, o->name) == 0
				: (o->letter != 0 && word[1] == o->letter &&
				      word[2] == '\0'))
				return o;
		}
	return NULL;
}

static bool
step_down(struct walk *w, const char *word)
{
	char path[sizeof(w->path)];
	const char *next = path;
	int n = snprintf(path, sizeof(path), "%s%s%s", w->path,
	    w->path[0] != '\0' ? " " : "", word);

	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	for (const struct cli_alias *a = cli_aliases; a->from != NULL; a++)
		if (strcmp(a->from, path) == 0)
			next = a->to;
	if (cli_find_cmd(next) == NULL && cli_find_group(next) == NULL)
		return false;
	(void)snprintf(w->path, sizeof(w->path), "%s", next);
	w->cmd = cli_find_cmd(next);
	return true;
}

static void
take(struct walk *w, const char *word, size_t at)
{
	const struct cli_pos *row;

	if (w->command_at > 0)
		return;
	if (w->value_of != NULL) {
		w->value_of = NULL;
		return;
	}
	if (!w->only_words && strcmp(word, "--") == 0) {
		w->only_words = true;
		return;
	}
	if (!w->only_words && word[0] == '-' && word[1] != '\0') {
		const struct cli_opt *o = find_option(w->cmd, word);

		if (o != NULL && o->kind >= OPT_STR)
			w->value_of = o;
		return;
	}
	if (w->pos == 0 && step_down(w, word))
		return;
	row = w->cmd != NULL ? w->cmd->pos : NULL;
	if (row == NULL || row[w->pos].name == NULL)
		return;
	while (row[w->pos].before_dashes && w->only_words)
		w->pos++;
	if (row[w->pos].trailing)
		w->command_at = at;
	else if (row[w->pos].kind != OPT_LIST)
		w->pos++;
}

static void
offer(struct buf *out, const char *prefix, const char *name, const char *word,
    const char *text)
{
	AUTO_BUF struct buf whole = BUF_INIT(256);

	buf_printf(&whole, "%s%s", prefix, name);
	if (strncmp(buf_str(&whole), word, strlen(word)) == 0)
		buf_printf(out, "%s\t%s\n", buf_str(&whole), text);
}

static void
offer_hint(struct buf *out, enum cli_hint hint, size_t at, const char *word)
{
	switch (hint) {
	case HINT_SANDBOX:
		reach_offer_sandboxes(word, out);
		break;
	case HINT_GATEWAY:
		reach_offer_gateways(word, out);
		break;
	case HINT_PROVIDER:
		reach_offer_providers(word, out);
		break;
	case HINT_PROVIDER_TYPE:
		for (size_t i = 0; profile_nth(i) != NULL; i++)
			offer(out, "", profile_nth(i), word, "provider type");
		break;
	case HINT_SETTING:
		for (size_t i = 0; i < SETTINGS_N; i++)
			offer(out, "", setting_rows[i].key, word,
			    setting_rows[i].about);
		break;
	case HINT_NONE:
		break;
	case HINT_FILE:
		buf_puts(out, ":files\n");
		break;
	case HINT_DIR:
		buf_puts(out, ":dirs\n");
		break;
	case HINT_COMMAND:
		buf_printf(out, ":command %zu\n", at);
		break;
	}
}

static void
offer_value(struct buf *out, const struct cli_opt *o, const char *prefix,
    const char *word)
{
	if (o->kind == OPT_ENUM)
		for (size_t i = 0; o->choices[i] != NULL; i++)
			offer(out, prefix, o->choices[i], word, o->help);
	else
		offer_hint(out, o->hint, 0, word);
}

static void
offer_words(struct buf *out, const char *path, const char *word)
{
	size_t n = strlen(path);

	for (const struct cli_cmd *const *c = cli_cmds; *c != NULL; c++) {
		const char *rest = (*c)->path;

		if ((*c)->hidden ||
		    (n > 0 && (strncmp(rest, path, n) != 0 || rest[n] != ' ')))
			continue;
		rest += n > 0 ? n + 1 : 0;
		if (strchr(rest, ' ') == NULL)
			offer(out, "", rest, word, (*c)->summary);
	}
	for (const struct cli_group *g = cli_groups; g->path != NULL; g++)
		if (n == 0)
			offer(out, "", g->path, word, g->summary);
}

static void
offer_options(struct buf *out, const struct cli_opt *o, const char *word)
{
	for (; o != NULL && o->kind != OPT_KIND_END; o++)
		if (!o->hidden)
			offer(out, "--", o->name, word, o->help);
}

void
cli_complete(size_t index, const char *const *words, size_t n, struct buf *out)
{
	struct walk w = { .path = "" };
	const char *word = index < n ? words[index] : "";
	const struct cli_pos *row;

	/* words[0] is the program. */
	for (size_t i = 1; i < index && i < n; i++)
		take(&w, words[i], i);
	row = w.cmd != NULL ? w.cmd->pos : NULL;
	if (w.command_at > 0) {
		offer_hint(out, HINT_COMMAND, w.command_at, word);
		return;
	}
	if (w.value_of != NULL) {
		offer_value(out, w.value_of, "", word);
		return;
	}
	if (!w.only_words) {
		/* From the root an option is as good a start as a word. */
		if (word[0] == '-' || (w.path[0] == '\0' && word[0] == '\0')) {
			offer_options(out, cli_globals, word);
			offer_options(
			    out, w.cmd != NULL ? w.cmd->opts : NULL, word);
		}
		if (word[0] == '-')
			return;
		if (w.pos == 0)
			offer_words(out, w.path, word);
	}
	while (row != NULL && row[w.pos].before_dashes && w.only_words)
		w.pos++;
	if (row != NULL && row[w.pos].name != NULL)
		offer_hint(out, row[w.pos].hint, index, word);
}

static const char bash_script[] =
    "_openshell() {\n"
    "    local line\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        case \"$line\" in\n"
    "        :files) compopt -o filenames\n"
    "            COMPREPLY+=($(compgen -f -- \"$2\")) ;;\n"
    "        :dirs) compopt -o filenames\n"
    "            COMPREPLY+=($(compgen -d -- \"$2\")) ;;\n"
    "        :command\\ *)\n"
    "            if declare -F _command_offset >/dev/null; then\n"
    "                _command_offset \"${line#:command }\"\n"
    "            else\n"
    "                compopt -o filenames\n"
    "                COMPREPLY+=($(compgen -c -f -- \"$2\"))\n"
    "            fi ;;\n"
    "        *) COMPREPLY+=(\"${line%%$'\\t'*}\") ;;\n"
    "        esac\n"
    "    done < <(openshell __complete \"$COMP_CWORD\" -- "
    "\"${COMP_WORDS[@]}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _openshell openshell\n";

static const char zsh_script[] =
    "#compdef openshell\n"
    "_openshell() {\n"
    "    local line\n"
    "    local -a described\n"
    "    while IFS= read -r line; do\n"
    "        case \"$line\" in\n"
    "        :files) _files ;;\n"
    "        :dirs) _files -/ ;;\n"
    "        :command\\ *)\n"
    "            local at=${line#:command }\n"
    "            words=(\"${(@)words[at+1,-1]}\")\n"
    "            (( CURRENT -= at ))\n"
    "            _normal ;;\n"
    "        *) described+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")"
    " ;;\n"
    "        esac\n"
    "    done < <(openshell __complete $((CURRENT - 1)) -- "
    "\"${words[@]}\" 2>/dev/null)\n"
    "    (( ${#described} )) && _describe openshell described\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _openshell ]; then\n"
    "    _openshell \"$@\"\n"
    "else\n"
    "    compdef _openshell openshell\n"
    "fi\n";

static const char fish_script[] =
    "function __openshell_complete\n"
    "    set -l words (commandline -opc)\n"
    "    set -l now (commandline -ct)\n"
    "    for line in (openshell __complete (count $words) -- "
    "$words \"$now\" 2>/dev/null)\n"
    "        switch \"$line\"\n"
    "            case ':files'\n"
    "                __fish_complete_path \"$now\"\n"
    "            case ':dirs'\n"
    "                __fish_complete_directories \"$now\"\n"
    "            case ':command *'\n"
    "                set -l at (math (string sub -s 10 -- $line) + 1)\n"
    "                set -l inner\n"
    "                test $at -le (count $words)\n"
    "                and set inner (string escape -- $words[$at..-1])\n"
    "                complete -C (string join ' ' -- $inner \"$now\")\n"
    "            case '*'\n"
    "                echo $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c openshell -f -a '(__openshell_complete)'\n";

int
cli_completion_script(const char *shell, struct buf *out)
{
	static const struct {
		const char *shell, *script;
	} scripts[] = {
		{ "bash", bash_script },
		{ "zsh", zsh_script },
		{ "fish", fish_script },
	};

	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		if (strcmp(scripts[i].shell, shell) == 0) {
			buf_puts(out, scripts[i].script);
			return 0;
		}
	return -1;
}
