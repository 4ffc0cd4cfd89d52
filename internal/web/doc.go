// Package web is the window: one page, its JSON, its live stream and the metrics, over HTTP.
//
// It shows what a World tells and decides nothing. What is counted is read when somebody asks and never otherwise: with nobody at the window nothing here runs.
// The few things that it lets an operator do are control commands, run by the World as any other, and only for who has the token.
package web
