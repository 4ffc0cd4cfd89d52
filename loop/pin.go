package loop

import (
	"runtime"

	"pen/internal/sys"
)

// pin locks the calling goroutine to its thread and the thread to a CPU. Never unlocked: the thread ends with the loop.
// Only done when asked for: a locked thread that is not pinned loses 5 to 15 % of its connection rate (DESIGN.md section 6).
func pin(cpu int) error {
	runtime.LockOSThread()
	return sys.Pin(cpu)
}

// roomToRun makes sure that a P is left for everything else while each loop holds one in a raw wait.
func roomToRun(loops int) {
	if runtime.GOMAXPROCS(0) < loops+1 {
		runtime.GOMAXPROCS(loops + 1)
	}
}
