package main

// measurement is one round of one cell. Its field names in JSON carry the units.
type measurement struct {
	Round       int      `json:"round"`
	Units       int64    `json:"units"`
	Elapsed     float64  `json:"elapsed_seconds"`
	Rate        float64  `json:"units_per_second"`
	CPU         float64  `json:"proxy_cpu_seconds"`
	User        float64  `json:"proxy_user_seconds"`
	System      float64  `json:"proxy_system_seconds"`
	RSS         int64    `json:"proxy_rss_bytes"`
	ServersCPU  float64  `json:"servers_cpu_seconds"`
	LoadCPU     float64  `json:"load_cpu_seconds"`
	SystemCPU   float64  `json:"machine_cpu_seconds"`                  // CPUs busy on the whole machine, whoever kept them so
	Voluntary   int64    `json:"proxy_voluntary_switches"`             // context switches of the proxy's tree
	Involuntary int64    `json:"proxy_involuntary_switches"`           //
	Syscalls    float64  `json:"proxy_system_calls_per_unit,omitzero"` // by strace, in a round of its own; 0: not counted
	Latency     *latency `json:"latency,omitempty"`                    // of the workloads with a fixed rate
	Idle        *idle    `json:"idle,omitempty"`                       // of the idle workload
	Storm       *storm   `json:"storm,omitempty"`                      // of the storm workload
	Errors      int64    `json:"errors,omitempty"`
	Error       string   `json:"error,omitempty"` // the first
}

// latency is how long answers took at a fixed rate of requests, from the instant each was due: requests per second, and seconds.
type latency struct {
	Offered  float64 `json:"offered_per_second"`
	Achieved float64 `json:"achieved_per_second"`
	P50      float64 `json:"p50_seconds"`
	P90      float64 `json:"p90_seconds"`
	P99      float64 `json:"p99_seconds"`
	P999     float64 `json:"p999_seconds"`
	Max      float64 `json:"max_seconds"`
	Curve    []point `json:"curve"` // for plots
}

// point is a quantile, 0..1, of a latency.
type point struct {
	Quantile float64 `json:"quantile"`
	Seconds  float64 `json:"seconds"`
}

// idle is what connections cost that stand open with nothing to carry.
type idle struct {
	Conns        int     `json:"connections"`
	BytesPerConn float64 `json:"bytes_per_connection"` // growth of the proxy tree's own memory, the kernel's aside
}

// storm is what became of many connections begun at once, on top of a steady load.
type storm struct {
	Attempted int     `json:"attempted"`
	Served    int     `json:"served"`
	Failed    int     `json:"failed"`
	Recovery  float64 `json:"recovery_seconds"` // until the steady load has the rate again that it had before
}

// valid says that every byte of it was right, so that its figures may be compared.
func (m measurement) valid() bool { return m.Errors == 0 && m.Error == "" && m.Units > 0 }

func newMeasurement(o outcome) measurement {
	m := measurement{
		Units:       o.Units,
		Elapsed:     o.Elapsed.Seconds(),
		CPU:         o.Proxy.CPU.Seconds(),
		User:        o.Proxy.User.Seconds(),
		System:      o.Proxy.System.Seconds(),
		RSS:         o.Proxy.RSS,
		ServersCPU:  o.Servers.CPU.Seconds(),
		LoadCPU:     o.Load.CPU.Seconds(),
		SystemCPU:   o.Busy.Seconds(),
		Voluntary:   o.Switch.Voluntary,
		Involuntary: o.Switch.Involuntary,
		Latency:     o.Latency,
		Idle:        o.Idle,
		Storm:       o.Storm,
		Errors:      o.Errors,
		Error:       o.First,
	}
	if o.Calls > 0 && o.Units > 0 {
		m.Syscalls = float64(o.Calls) / float64(o.Units)
	}
	if m.Elapsed > 0 {
		m.Rate = float64(m.Units) / m.Elapsed
	}
	if m.Units == 0 && m.Error == "" {
		m.Error = "nothing was done in the time measured"
	}
	return m
}

func failedMeasurement(err error) measurement { return measurement{Errors: 1, Error: err.Error()} }
