package config

import "github.com/spf13/pflag"

// Section is a group of flags, as in the usage text.
type Section struct {
	Title string
	Flags []Flag
}

// Flag is what there is to say about one flag.
type Flag struct {
	Short   string // a letter; "" = none
	Long    string // without dashes; "" = none
	Arg     string // what stands for the value; "" = it needs none
	Default string // as an operator would write it; "" = none
	Text    string
}

// Sections describes every flag, those that the usage text leaves out as well, in the order of the usage text.
func Sections() []Section {
	var sections []Section
	for _, s := range define(new(Options), new(bool)) {
		described := Section{Title: s.title}
		s.flags.VisitAll(func(f *pflag.Flag) {
			d := Flag{Short: f.Shorthand, Long: f.Name}
			d.Arg, d.Text = pflag.UnquoteUsage(f)
			if f.Hidden {
				d.Long = ""
			}
			if f.Value.Type() != "bool" {
				d.Default = f.DefValue
			}
			described.Flags = append(described.Flags, d)
		})
		sections = append(sections, described)
	}
	return sections
}
