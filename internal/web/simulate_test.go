package web

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
)

// One simulation at a time, and the next one is told to come back; an answer has the largest moves and says how many there are.
func TestOneSimulationAtATime(t *testing.T) {
	f := newFarm()
	f.hold = make(chan struct{})
	s := shut(f, "")
	const what = "/api/v1/simulate?what=server+0+down"
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- ask(s, "GET", what, "") }()
	f.hold <- struct{}{} // it is under way
	if got := ask(s, "GET", what, ""); got.Code != 503 || got.Header().Get("Retry-After") == "" {
		t.Errorf("a second one: %d %s", got.Code, got.Body)
	}
	close(f.hold)
	var told Forecast
	if err := json.Unmarshal((<-first).Body.Bytes(), &told); err != nil || len(told.Clients.Moves) != mostListed || told.Clients.Moved != 1235 || told.Servers[1].ClientsThen != 1234 {
		t.Errorf("%+v, %v", told, err)
	}
	if got := ask(s, "GET", what, ""); got.Code != 200 {
		t.Errorf("after it: %d %s", got.Code, got.Body)
	}
}
