package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Bounds of /metrics: scrapes at once, and how long one may take.
const (
	mostScrapes = 4
	scrapeLimit = 10 * time.Second
)

// metricsHandler answers scrapes. A registry of its own: nothing that a library registers by itself is shown.
func (s *Window) metricsHandler() http.HandlerFunc {
	registry := prometheus.NewRegistry()
	registry.MustRegister(figuresCollector{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: mostScrapes, Timeout: scrapeLimit}).ServeHTTP
}

// figuresCollector turns the figures of one moment into metrics when it is scraped. It keeps nothing.
type figuresCollector struct{ *Window }

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pen_"+name, help, labels, nil)
}

// The metrics. Names and units are by Prometheus's conventions: base units, _total for what only grows.
var (
	buildInfo = metric("build_info", "Version of pen; the value is 1.", "version")
	startTime = metric("start_time_seconds", "When the process began to serve, unix seconds.")
	ready     = metric("ready", "Whether a new client would be served by a usable server.")

	connections    = metric("connections", "Connections open.")
	inQueue        = metric("queue_connections", "Connections that wait in the queue for a server.")
	listenQueue    = metric("listen_queue_connections", "Connections that wait to be accepted, in all listen queues of pen.")
	listenQueueMax = metric("listen_queue_connections_max", "Connections that these queues hold.")
	hostOverflows  = metric("host_listen_overflows_total", "Times that a listen queue in this network namespace was full, whether pen's or another's, since the host started.")
	hostDrops      = metric("host_listen_drops_total", "Connections that a listener in this network namespace lost before it accepted them, for any reason.")
	connectionsMax = metric("connections_max", "Connections that may be open at once.")
	ended          = metric("connections_ended_total", "Connections that have ended, by cause.", "cause")
	spliced        = metric("moved_bytes_total", "Bytes moved between clients and servers, by how: spliced inside the kernel, or copied.", "way")
	carried        = metric("bytes_total", "Bytes carried: up to servers, down to clients.", "direction")
	failed         = metric("connects_failed_total", "Connects to servers that failed, by reason; local is our own doing.", "reason")

	clientsKnown   = metric("clients", "Clients in the client table.")
	clientSlots    = metric("client_slots", "Clients that the client table has room for.")
	clientsEvicted = metric("clients_evicted_total", "Clients forgotten to make room for others.")
	clientBytes    = metric("client_table_bytes", "Memory reserved for the client table.")

	loops        = metric("loops", "Event loops.")
	pipesOpen    = metric("pipes_open", "Splice pipes open.")
	pipesIdle    = metric("pipes_idle", "Splice pipes open and not in use.")
	pipesMost    = metric("pipes_max", "Splice pipes that may be open at once.")
	pipesRefused = metric("pipes_refused_total", "Times that no splice pipe was to be had, and bytes were copied.")
	pipeSize     = metric("pipe_size_bytes", "Smallest size the kernel granted a splice pipe; 0 before the first.")
	logDropped   = metric("log_lines_dropped_total", "Lines of the access log that were lost: it was full, or what it is written to would not take them.")
	webViewers   = metric("web_viewers", "Browsers watching the live page.")

	serverInfo        = metric("server_info", "Where a server is reached and its number; the value is 1.", "server", "address", "number")
	serverUsable      = perServer("usable", "Whether new clients may be sent to the server.")
	serverOut         = metric("server_out", "Whether a server is out for this reason.", "server", "reason")
	serverConnections = perServer("connections", "Connections open to the server.")
	serverLimit       = metric("server_connections_limit", "Connections that a server may have, soft and hard; 0 is no limit.", "server", "limit")
	serverWeight      = perServer("weight", "Weight of the server.")
	serverConnects    = perServer("connects_total", "Connects to the server that succeeded.")
	serverFailures    = perServer("connect_failures_total", "Connects to the server that failed.")
	serverLastFailure = perServer("last_failure_timestamp_seconds", "When a connect to the server failed last, unix seconds; 0 for never.")
	serverBytes       = metric("server_bytes_total", "Bytes carried: up to the server, down from it. Up to 1 MiB behind for each connection open.", "server", "direction")
	serverChecks      = metric("server_checks_total", "Health checks of the server, by result; void is our own trouble and says nothing.", "server", "result")
	serverLastCheck   = perServer("last_check_duration_seconds", "Time that the last health check took that was not void; 0 before the first.")

	// The next three are also there for connections that had no server, called "", and for servers that are no longer in the configuration.
	serverEnded     = metric("server_connections_ended_total", "Connections that have ended, by cause and by the server that they were given or tried last. What has not happened is left out.", "server", "cause")
	serverConnect   = perServer("connect_seconds", "Time from the choice of the server to the connection to it standing. Connects that failed are not in it.")
	serverFirstByte = perServer("first_byte_seconds", "Time from there to the server's first byte having been given to the client.")

	loopConnections = perLoop("connections", "Connections open.")
	loopAccepted    = perLoop("connections_accepted_total", "Connections accepted.")
	loopBytes       = perLoop("bytes_total", "Bytes carried: up to servers, down to clients.", "direction")
	loopEvents      = perLoop("events_total", "Events handled.")
	loopStale       = perLoop("stale_events_total", "Events for a descriptor that had a new owner: harmless.")
	loopBusy        = perLoop("busy_seconds_total", "Time that the loop was not waiting for events, estimated from one sample in thirteen.")
	acceptImbalance = metric("accept_imbalance_ratio", "Connections that the loop accepted that accepted most, divided by the mean of all loops, over ten seconds or more before the scrape; 1 is even.")
)

func perServer(name, help string) *prometheus.Desc { return metric("server_"+name, help, "server") }

func perLoop(name, help string, more ...string) *prometheus.Desc {
	return metric("loop_"+name, help+" The label cpu is empty unless the loop is pinned.", append([]string{"loop", "cpu"}, more...)...)
}

// plainCounts are the totals that are metrics by themselves, by their names in the figures.
var plainCounts = map[string]*prometheus.Desc{
	"accepted":            metric("connections_accepted_total", "Connections accepted."),
	"accept_errors":       metric("accept_errors_total", "Accepts that failed."),
	"accept_pauses":       metric("accept_pauses_total", "Times that accepting rested for want of descriptors or memory."),
	"limit_reached":       metric("limit_reached_total", "Times that accepting stopped at the connection limit."),
	"accept_rate_reached": metric("accept_rate_reached_total", "Times that accepting stopped at the accept rate."),
	"tarpitted":           metric("tarpitted_total", "Connections held in the tarpit because their client asks for too much."),
	"stale_events":        metric("stale_events_total", "Events for a descriptor that had a new owner: harmless."),

	"clients_returned": metric("clients_returned_total", "Connections of clients that the client table knew with a server of the configuration."),
	"clients_new":      metric("clients_new_total", "Connections of clients that it did not."),
	"queued":           metric("queued_total", "Connections that had to wait in the queue for a server."),
}

// Describe implements prometheus.Collector: it has nothing to say beforehand, so that each scrape is checked for itself.
func (figuresCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c figuresCollector) Collect(out chan<- prometheus.Metric) {
	put := func(kind prometheus.ValueType, d *prometheus.Desc, v float64, labels ...string) {
		for i := range labels {
			labels[i] = strings.ToValidUTF8(labels[i], "�") // the path of a Unix socket may be anything
		}
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) { put(prometheus.GaugeValue, d, v, labels...) }
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		put(prometheus.CounterValue, d, float64(v), labels...)
	}
	f := c.figures()
	gauge(buildInfo, 1, f.Version)
	gauge(startTime, unixSeconds(f.Started))
	gauge(ready, truth(f.Ready && !f.Draining))

	t := f.Totals
	gauge(connections, float64(t.Connections))
	gauge(inQueue, float64(t.InQueue))
	gauge(connectionsMax, float64(t.MaxConnections))
	for cause, n := range t.Ended {
		counter(ended, n, cause)
	}
	for name, d := range plainCounts {
		counter(d, t.Counts[name])
	}
	counter(carried, t.Counts["bytes_up"], "up")
	counter(carried, t.Counts["bytes_down"], "down")
	counter(spliced, t.Counts["spliced"], "spliced")
	counter(spliced, t.Counts["copied"], "copied")
	counter(failed, t.Counts["connects_refused"], "refused")
	counter(failed, t.Counts["connects_timed_out"], "timed_out")
	counter(failed, t.Counts["local_errors"], "local")

	gauge(listenQueue, float64(f.Listening.Waiting))
	gauge(listenQueueMax, float64(f.Listening.Most))
	counter(hostOverflows, f.Listening.Overflows)
	counter(hostDrops, f.Listening.Drops)

	gauge(clientsKnown, float64(f.Clients.Known))
	gauge(clientSlots, float64(f.Clients.Slots))
	counter(clientsEvicted, f.Clients.Evicted)
	gauge(clientBytes, float64(f.Clients.Bytes))

	gauge(loops, float64(f.Loops.Count))
	gauge(pipesOpen, float64(f.Loops.PipesOpen))
	gauge(pipesIdle, float64(f.Loops.PipesIdle))
	gauge(pipesMost, float64(f.Loops.PipesMost))
	counter(pipesRefused, f.Loops.Refused)
	gauge(pipeSize, float64(f.Loops.PipeSize))
	counter(logDropped, f.LogDropped)
	gauge(webViewers, float64(c.stream.watched()))
	gauge(acceptImbalance, f.Loops.Imbalance)
	for i := range f.Loops.Each {
		loopMetrics(&f.Loops.Each[i], put)
	}

	tally := func(name string, t *Tally) {
		for cause, n := range t.Ended {
			counter(serverEnded, n, name, cause)
		}
		name = strings.ToValidUTF8(name, "�")
		out <- histogram(serverConnect, &t.ConnectTimes, name)
		out <- histogram(serverFirstByte, &t.FirstByteTimes, name)
	}
	for i := range f.Servers {
		serverMetrics(&f.Servers[i], gauge, counter)
		tally(f.Servers[i].Name, &f.Servers[i].Tally)
	}
	for i := range f.Others {
		tally(f.Others[i].Name, &f.Others[i].Tally)
	}
}

func histogram(d *prometheus.Desc, t *Times, labels ...string) prometheus.Metric {
	buckets, sum := make(map[float64]uint64, len(Bounds)), uint64(0)
	for i, bound := range Bounds {
		sum += t.Classes[i]
		buckets[bound] = sum
	}
	return prometheus.MustNewConstHistogram(d, t.Count, t.Sum, buckets, labels...)
}

func loopMetrics(l *Loop, put func(prometheus.ValueType, *prometheus.Desc, float64, ...string)) {
	number, cpu := strconv.Itoa(l.Number), ""
	if l.CPU != nil {
		cpu = strconv.Itoa(*l.CPU)
	}
	put(prometheus.GaugeValue, loopConnections, float64(l.Connections), number, cpu)
	for d, v := range map[*prometheus.Desc]float64{loopAccepted: float64(l.Accepted), loopEvents: float64(l.Events), loopStale: float64(l.Stale), loopBusy: l.Busy} {
		put(prometheus.CounterValue, d, v, number, cpu)
	}
	put(prometheus.CounterValue, loopBytes, float64(l.BytesUp), number, cpu, "up")
	put(prometheus.CounterValue, loopBytes, float64(l.BytesDown), number, cpu, "down")
}

// serverMetrics are those of one server, which its name tells from the others.
func serverMetrics(v *Server, gauge func(*prometheus.Desc, float64, ...string), counter func(*prometheus.Desc, uint64, ...string)) {
	gauge(serverInfo, 1, v.Name, v.Address, strconv.Itoa(v.Number))
	gauge(serverUsable, truth(v.Usable), v.Name)
	for _, reason := range Reasons {
		gauge(serverOut, truth(slices.Contains(v.Out, reason)), v.Name, reason)
	}
	gauge(serverConnections, float64(v.Connections), v.Name)
	gauge(serverLimit, float64(v.Soft), v.Name, "soft")
	gauge(serverLimit, float64(v.Hard), v.Name, "hard")
	gauge(serverWeight, float64(v.Weight), v.Name)
	counter(serverConnects, v.Connects, v.Name)
	counter(serverFailures, v.Failures, v.Name)
	gauge(serverLastFailure, unixSeconds(v.LastFailure), v.Name)
	counter(serverBytes, v.BytesUp, v.Name, "up")
	counter(serverBytes, v.BytesDown, v.Name, "down")
	counter(serverChecks, v.Checks.Passed, v.Name, "passed")
	counter(serverChecks, v.Checks.Failed, v.Name, "failed")
	counter(serverChecks, v.Checks.Void, v.Name, "void")
	gauge(serverLastCheck, v.Checks.Last, v.Name)
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// unixSeconds is 0 for no time at all.
func unixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}
