package balance

import (
	"fmt"
	"net/netip"
	"strings"
)

// Topic says what a step of an explanation is about.
type Topic string

// The topics of an explanation, about in their order. The last step is TopicAnswer.
const (
	TopicList      Topic = "acl"       // who may come in, at all or to a server
	TopicHome      Topic = "home"      // what the table remembers of the client
	TopicAlgorithm Topic = "algorithm" // how one without a home is placed
	TopicHealth    Topic = "health"
	TopicLimits    Topic = "limits"
	TopicThen      Topic = "then" // where it would go if the connect to the chosen server failed
	TopicAnswer    Topic = "answer"
)

// Step is one reason, in the order in which they are looked at.
type Step struct {
	Topic  Topic
	Server int    // the number of the server that it is about; NoNumber = none in particular
	OK     bool   // false: it speaks against
	Text   string // a sentence without a full stop
}

// Explanation says where a client would go now and why.
type Explanation struct {
	Client  netip.Addr // invalid: the clients of Unix sockets
	Steps   []Step
	Choices []Choice // the first is the answer; the others would follow in this order if the connect to each before failed. None: it would be closed
	Refusal Refusal  // why none of the servers is for it, whatever their state
	Waits   bool     // having found none, or after those, it would wait in the queue

	waiting int // how many do now
}

// Explain says where c would go if it came now. It asks a shadow of b, by Choose itself, so it changes nothing and cannot differ from what Choose would answer
// at this moment. It takes a table lock once and, with thousands of servers or a hundred thousand live connections, about a millisecond: it is not for a loop.
func (b *Balancer) Explain(c Client, now int64) (*Explanation, error) {
	plan := b.Plan()
	x := &Explanation{Client: c.Addr.Addr()}
	if plan.Dummy {
		x.Steps = []Step{{TopicAnswer, NoNumber, true, "pen itself answers every client (dummy)"}}
		return x, nil
	}
	s, err := b.newShadow(plan, 1)
	if err != nil {
		return nil, fmt.Errorf("explain %v: %w", x.Client, err)
	}
	defer s.table.Close()
	entry, known := b.table.Peek(plan.Prefix.Key(x.Client), now)
	if known {
		s.remember(entry)
	}
	p := s.current.Load()
	t := &trace{plan: p, client: x.Client, now: now}
	p.trace = t

	var a Attempt
	choice, ok := s.Choose(c, now, &a)
	p.trace = nil // what follows is told by its outcome only
	x.Refusal = a.Refusal()
	x.Steps = append(x.Steps, t.steps[0]) // whether it may come in at all
	if x.Refusal != Denied {
		x.Steps = append(x.Steps, t.recalls(entry, known))
	}
	x.Steps = append(x.Steps, t.steps[1:]...)
	for ; ok; choice, ok = s.Choose(c, now, &a) {
		x.Choices = append(x.Choices, Choice{choice.Server, choice.Why})
		s.Failed(choice.Server, now)
	}
	x.Waits, x.waiting = a.Waits(), b.Waiting()
	x.conclude(p)
	return x, nil
}

// maxThen is how many servers that would follow are told by name.
const maxThen = 8

// conclude adds what would follow, and the answer.
func (x *Explanation) conclude(p *published) {
	if len(x.Choices) == 0 {
		text := "nobody: no server will do, and the client is closed"
		switch {
		case x.Waits && x.waiting >= p.Queue:
			text = fmt.Sprintf("nobody: the servers that would do are full, and so is the queue (%d of %d wait): the client is closed", x.waiting, p.Queue)
		case x.Waits:
			text = fmt.Sprintf("nobody yet: the servers that would do are full, and the client would wait in the queue (%d of %d wait) for %v at most", x.waiting, p.Queue, p.QueueTimeout)
		case x.Refusal == Denied:
			text = "nobody: the client may not come in, and is closed"
		case x.Refusal != NotRefused:
			text = "nobody: the client " + x.Refusal.String() + ", and is " + p.OverLimit.done()
		case p.Stubborn:
			text = "nobody: its server will not do, stubborn lets it try no other, and the client is closed"
		}
		x.Steps = append(x.Steps, Step{TopicAnswer, NoNumber, false, text})
		return
	}
	var then []string
	for _, next := range x.Choices[1:] {
		then = append(then, fmt.Sprintf("%s (%v)", Called(p.number(next.Server), next.Server.Name), next.Why))
	}
	if more := len(then) - maxThen; more > 0 {
		then = append(then[:maxThen], fmt.Sprintf("%d more", more))
	}
	last := "nobody"
	if x.Waits {
		last = "the queue"
	}
	s := x.Choices[0].Server
	number := p.number(s)
	x.Steps = append(x.Steps,
		Step{TopicThen, NoNumber, len(then) > 0, "if the connect to it fails: " + strings.Join(append(then, last), ", then ")},
		Step{TopicAnswer, number, true, fmt.Sprintf("%s at %v (%v)", Called(number, s.Name), s.Addr, x.Choices[0].Why)})
}
