package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// packaged builds the package of a version from a binary, or with a binary of its own, and returns its path.
func packaged(t *testing.T, version, dir, binary string) string {
	t.Helper()
	cmd := exec.Command("../../scripts/deb", version, dir)
	cmd.Env = append(os.Environ(), "PEN_BIN="+binary)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("scripts/deb: %v\n%s", err, said.String())
	}
	return strings.TrimSpace(string(out))
}

// The package has all that belongs to pen, installs, keeps the operator's files through an upgrade, and leaves nothing when it is purged.
func TestDebianPackage(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	must := func(words ...string) string {
		t.Helper()
		code, output := run(t, words...)
		if code != 0 {
			t.Fatalf("%s: exit status %d\n%s", words, code, output)
		}
		return output
	}
	first := packaged(t, "1.0", dir, program)
	contents := must("dpkg-deb", "--contents", first)
	for _, want := range []string{
		`-rwxr-xr-x root/root .* \./usr/bin/pen`, `.* \./usr/bin/penctl -> pen`, `.* \./usr/bin/penlog -> pen`, `.* \./usr/bin/penlogd -> pen`, `.* \./usr/bin/mergelogs -> pen`,
		`-rw-r--r-- root/root .* \./usr/share/man/man1/pen\.1\.gz`, `.* \./usr/share/man/man1/penctl\.1\.gz`, `.* \./usr/share/man/man1/penlog\.1\.gz`,
		`.* \./usr/share/man/man1/penlogd\.1\.gz`, `.* \./usr/share/man/man1/mergelogs\.1\.gz`,
		`.* \./usr/share/bash-completion/completions/pen`, `.* \./usr/share/zsh/vendor-completions/_pen`, `.* \./usr/share/fish/vendor_completions\.d/pen\.fish`,
		`-rw-r--r-- root/root .* \./usr/lib/systemd/system/pen\.service`, `.* \./usr/lib/systemd/system/pen\.socket`, `-rw-r--r-- root/root .* \./etc/pen/pen\.conf`, `-rw-r--r-- root/root .* \./etc/default/pen`,
		`.* \./usr/share/doc/pen-balancer/copyright`, `.* \./usr/share/doc/pen-balancer/service\.md`, `.* \./usr/share/doc/pen-balancer/examples/sysctl\.conf`,
	} {
		if !regexp.MustCompile("(?m)^" + want + "$").MatchString(contents) {
			t.Errorf("no %s in\n%s", want, contents)
		}
	}
	if got, want := must("dpkg-deb", "--showformat=${Package} ${Version} ${Conflicts} ${Replaces} ${Provides}", "--show", first), "pen-balancer 1.0 pen pen pen"; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}

	// A root directory of its own, as far as dpkg needs one; the scripts see that it is not the system's and touch nothing of that.
	for _, d := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	dpkg := []string{"dpkg", "--root=" + root, "--force-script-chrootless", "--log=" + filepath.Join(dir, "log")}
	must(append(dpkg, "--install", first)...)
	if got := must(filepath.Join(root, "usr/bin/pen"), "--version"); !strings.HasPrefix(got, "pen ") {
		t.Errorf("the installed program says %q", got)
	}
	config := filepath.Join(root, "etc/pen/pen.conf")
	const own = "listen 127.0.0.1:80\nserver 0 address 127.0.0.1 port 81\n"
	if err := os.WriteFile(config, []byte(own), 0o644); err != nil {
		t.Fatal(err)
	}
	must(filepath.Join(root, "usr/bin/pen"), "check", config)
	must(append(dpkg, "--install", packaged(t, "1.1", dir, ""))...)
	if got := must(filepath.Join(root, "usr/bin/pen"), "--version"); !strings.HasPrefix(got, "pen 1.1 ") {
		t.Errorf("version 1.1 says that it is %q", got)
	}
	if got := must(append(dpkg[:2:2], "--list", "pen-balancer")...); !regexp.MustCompile(`(?m)^ii +pen-balancer +1\.1 `).MatchString(got) {
		t.Errorf("after the upgrade: %s", got)
	}
	if text, err := os.ReadFile(config); err != nil || string(text) != own {
		t.Errorf("the upgrade has changed the config: %q, %v", text, err)
	}
	must(append(dpkg, "--purge", "pen-balancer")...)
	for _, gone := range []string{"usr/bin/pen", "usr/bin/penctl", "etc/pen/pen.conf", "etc/default/pen", "usr/lib/systemd/system/pen.service"} {
		if _, err := os.Lstat(filepath.Join(root, gone)); !os.IsNotExist(err) {
			t.Errorf("%s is left after the purge (%v)", gone, err)
		}
	}
}

// The examples that the documents ship are in order: the config is, but for the servers that nobody can know, and every line of the kernel's settings names one that this kernel has, or a module's.
func TestShippedExamples(t *testing.T) {
	text, err := os.ReadFile("../../docs/pen.conf")
	if err != nil {
		t.Fatal(err)
	}
	filled := filepath.Join(t.TempDir(), "pen.conf")
	if err := os.WriteFile(filled, []byte(regexp.MustCompile(`(?m)^#([a-z])`).ReplaceAllString(string(text), "$1")), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, output := run(t, program, "check", filled); code != 0 || !strings.Contains(output, "10.0.0.12:80") {
		t.Errorf("docs/pen.conf with its lines in force: %d, %s", code, output)
	}
	listen := regexp.MustCompile(`(?m)^#listen (\S+)$`).FindSubmatch(text)
	socket, err := os.ReadFile("../../docs/pen.socket")
	if err != nil || listen == nil || !strings.Contains(string(socket), "\nListenStream="+string(listen[1])+"\n") {
		t.Errorf("docs/pen.socket listens elsewhere than docs/pen.conf, %s (%v)", listen, err)
	}
	if text, err = os.ReadFile("../../docs/sysctl.conf"); err != nil {
		t.Fatal(err)
	}
	settings := regexp.MustCompile(`(?m)^([a-z]\S+) = `).FindAllStringSubmatch(string(text), -1)
	for _, s := range settings {
		if _, err := os.Stat("/proc/sys/" + strings.ReplaceAll(s[1], ".", "/")); err != nil {
			t.Errorf("docs/sysctl.conf: %v", err)
		}
	}
	if len(settings) < 5 {
		t.Errorf("only %d settings found", len(settings))
	}
	unit, err := os.ReadFile("../../docs/pen.service")
	if err != nil {
		t.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/pen -f (.*) \$PEN_FLAGS$`).FindSubmatch(unit)
	if start == nil {
		t.Fatal("docs/pen.service does not start pen in the foreground")
	}
	words := strings.Fields(strings.ReplaceAll(string(start[1]), "/etc/pen/pen.conf", filled))
	if code, output := run(t, append([]string{program, "check"}, words...)...); code != 0 {
		t.Errorf("the unit's command line: %d, %s", code, output)
	}
}
