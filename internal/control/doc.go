// Package control is pen's one command language and the ways it comes in: the -O option, the -F file and the control port (PEN.md 1.2); and Ctl, the client of that port.
//
// An Interpreter holds the State, which is everything that the language can set. A command works on a copy; the copy is checked, claimed for, given to the World,
// and only then in force. What fails changes nothing. A file, with all that it includes, is one such step.
//
// Replies are Pen's, byte for byte. Besides the reply every command has a verdict, the error, because Pen's replies do not tell failure from success:
// where Pen read "12x" as 12 and "x" as 0 so does this, and the error says that it was no number.
package control
