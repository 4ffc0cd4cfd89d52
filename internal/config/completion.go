package config

import (
	"fmt"
	"io"
	"strings"
)

// Shells are those that Completion knows.
var Shells = []string{"bash", "zsh", "fish"}

// commands are the first words that make pen another program.
var commands = []struct{ name, text string }{
	{"check", "say what a config file and flags would do, and start nothing"},
	{"completion", "print the completions of a shell"},
	{"ctl", "say a control command to a running pen"},
	{"demo", "see it work"},
	{"log", "send a web server's log to a penlogd"},
	{"logd", "collect the logs of web servers and of pen"},
	{"mergelogs", "merge logs by time"},
}

// choices are the words among which a flag's value is one. What stands for a value of another kind says what it is: a FILE, a DIR, a user's NAME.
var choices = map[string]string{
	"client-limit":  "reject tarpit abuse",
	"splice":        "auto always never",
	"steer":         "off cpu client",
	"send-batch":    "on off",
	"shortcuts":     "on off",
	"reuse-sockets": "on off",
	"poller":        "raw gnet",
	"check":         "tcp http:/ off",
	"cpus":          "auto",
}

// Completion writes the completions of a shell: every flag, the words that some take, the commands. They come from the definitions of the flags, like the usage text.
func Completion(w io.Writer, shell string) error {
	switch shell {
	case "bash":
		return completeBash(w)
	case "zsh":
		return completeZsh(w)
	case "fish":
		return completeFish(w)
	}
	return usagef("shell %q: must be %s or %s", shell, strings.Join(Shells[:len(Shells)-1], ", "), Shells[len(Shells)-1])
}

// described is every flag in the order of the usage text.
func described() (all []Flag) {
	for _, s := range Sections() {
		all = append(all, s.Flags...)
	}
	return append(all, Flag{Long: "help", Text: "print the usage text"})
}

// spellings are the ways to write a flag.
func (f Flag) spellings() (all []string) {
	if f.Short != "" {
		all = append(all, "-"+f.Short)
	}
	if f.Long != "" {
		all = append(all, "--"+f.Long)
	}
	return all
}

// kind is what a flag's value is, as far as a shell can help: "file", "dir", "user", "word" or, for anything else, "".
func (f Flag) kind() string {
	switch {
	case f.Arg == "FILE", f.Arg == "DEST":
		return "file"
	case f.Arg == "DIR":
		return "dir"
	case f.Long == "user":
		return "user"
	case choices[f.Long] != "":
		return "word"
	}
	return ""
}

// completeBash writes a function that needs nothing of the bash-completion package.
func completeBash(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`# bash completion for pen, written by "pen completion bash"
_pen() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	COMPREPLY=()
	case $before in
`)
	words := []string{}
	for _, f := range described() {
		words = append(words, f.spellings()...)
		if f.Arg == "" {
			continue
		}
		reply := "return" // a value that only the operator knows
		switch f.kind() {
		case "file":
			reply = `compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return`
		case "dir":
			reply = `compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word"); return`
		case "user":
			reply = `mapfile -t COMPREPLY < <(compgen -u -- "$word"); return`
		case "word":
			reply = `mapfile -t COMPREPLY < <(compgen -W "` + choices[f.Long] + `" -- "$word"); return`
		}
		fmt.Fprintf(&b, "\t%s) %s ;;\n", strings.Join(f.spellings(), "|"), reply)
	}
	names := []string{}
	for _, c := range commands {
		names = append(names, c.name)
	}
	fmt.Fprintf(&b, `	completion) mapfile -t COMPREPLY < <(compgen -W "%s" -- "$word"); return ;;
	check) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
	esac
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "%s" -- "$word")
	elif [[ $COMP_CWORD == 1 ]]; then
		mapfile -t COMPREPLY < <(compgen -W "%s" -- "$word")
	fi
}
complete -A hostname -o default -F _pen pen
`, strings.Join(Shells, " "), strings.Join(words, " "), strings.Join(names, " "))
	_, err := io.WriteString(w, b.String())
	return err
}

func completeZsh(w io.Writer) error {
	var b strings.Builder
	b.WriteString("#compdef pen\n# zsh completion for pen, written by \"pen completion zsh\"\n_pen() {\n\tlocal -a commands\n\tcommands=(\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "\t\t%s\n", quoted(colons.Replace(c.name)+":"+c.text))
	}
	fmt.Fprintf(&b, "\t)\n\tif (( CURRENT == 3 )); then\n\t\tcase $words[2] in\n\t\tcompletion) compadd %s; return ;;\n\t\tcheck) _files; return ;;\n\t\tesac\n\tfi\n", strings.Join(Shells, " "))
	b.WriteString("\t_arguments -s \\\n")
	for _, f := range described() {
		for _, spelling := range f.spellings() {
			spec := "*" + spelling + "[" + brackets.Replace(f.Text) + "]"
			if f.Arg != "" {
				action := map[string]string{"file": "_files", "dir": "_files -/", "user": "_users", "word": "(" + choices[f.Long] + ")", "": " "}[f.kind()]
				spec += ":" + colons.Replace(f.Arg) + ":" + colons.Replace(action)
			}
			fmt.Fprintf(&b, "\t\t%s \\\n", quoted(spec))
		}
	}
	b.WriteString("\t\t'1: :{_describe command commands; _hosts}' \\\n\t\t'*: :_hosts'\n}\n_pen \"$@\"\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func completeFish(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# fish completion for pen, written by \"pen completion fish\"\ncomplete -c pen -f\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "complete -c pen -n __fish_use_subcommand -a %s -d %s\n", c.name, fishQuoted(c.text))
	}
	fmt.Fprintf(&b, "complete -c pen -n '__fish_seen_subcommand_from completion' -a '%s'\ncomplete -c pen -n '__fish_seen_subcommand_from check' -F\n", strings.Join(Shells, " "))
	for _, f := range described() {
		line := "complete -c pen"
		if f.Short != "" {
			line += " -s " + f.Short
		}
		if f.Long != "" {
			line += " -l " + f.Long
		}
		if f.Arg != "" {
			line += map[string]string{"file": " -r -F", "dir": " -x -a '(__fish_complete_directories)'", "user": " -x -a '(__fish_complete_users)'", "word": " -x -a '" + choices[f.Long] + "'", "": " -x"}[f.kind()]
		}
		fmt.Fprintf(&b, "%s -d %s\n", line, fishQuoted(f.Text))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// What means something inside zsh's specifications.
var (
	colons   = strings.NewReplacer(`\`, `\\`, ":", `\:`)
	brackets = strings.NewReplacer(`\`, `\\`, ":", `\:`, "[", `\[`, "]", `\]`)
)

// quoted is text as one word of bash and zsh.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// fishQuoted is text as one word of fish.
func fishQuoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
