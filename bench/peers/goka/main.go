// A goka view. One job as name=value arguments, one line of JSON as the answer.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/storage"
)

var job = map[string]string{}

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func number(name string) float64 { return must(strconv.ParseFloat(job[name], 64)) }

// open returns when the view holds what was in the topic at the start.
func open(onRecord func(key string, value []byte)) *goka.View {
	config := goka.DefaultConfig()
	if _, given := job["maxBytes"]; given {
		// goka fetches each partition by itself, so that one limit is both.
		config.Consumer.Fetch.Default = int32(number("maxPartitionBytes"))
		config.Consumer.MaxWaitTime = time.Duration(number("maxWaitMillis")) * time.Millisecond
	}
	goka.ReplaceGlobalConfig(config)

	store := storage.MemoryBuilder()
	if job["store"] == "disk" {
		store = storage.DefaultBuilder(job["directory"])
	}
	options := []goka.ViewOption{goka.WithViewStorageBuilder(store)}
	if onRecord != nil {
		options = append(options, goka.WithViewCallback(
			func(ctx goka.UpdateContext, s storage.Storage, key string, value []byte) error {
				err := goka.DefaultUpdate(ctx, s, key, value)
				onRecord(key, value)
				return err
			}))
	}
	view := must(goka.NewView(strings.Split(job["brokers"], ","), goka.Table(job["topic"]), new(codec.Bytes), options...))
	failed := make(chan error, 1)
	go func() { failed <- view.Run(context.Background()) }()
	select {
	case <-view.WaitRunning():
	case err := <-failed:
		must(0, fmt.Errorf("the view ended: %w", err))
	}
	return view
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	must(0, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

// memory gives bytes of /proc, and 0 where there is none.
func memory(name string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(status), "\n") {
		if rest, found := strings.CutPrefix(line, name+":"); found {
			return must(strconv.ParseFloat(strings.Fields(rest)[0], 64)) * 1024
		}
	}
	return 0
}

func heap() float64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}

func quantile(numbers []float64, q float64) float64 {
	sort.Float64s(numbers)
	return numbers[min(len(numbers)-1, int(float64(len(numbers))*q))]
}

type figures map[string]float64

func answer(found figures, more map[string]any) {
	version := "?"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/lovoo/goka" {
				version = module.Version
			}
		}
	}
	line := map[string]any{"runtime": fmt.Sprintf("goka %s, %s", version, runtime.Version()), "figures": found}
	for name, value := range more {
		line[name] = value
	}
	fmt.Println(string(must(json.Marshal(line))))
}

func catchUp() {
	debug.FreeOSMemory()
	idleRss, idleHeap := memory("VmRSS"), heap()
	cpu, start := cpuSeconds(), time.Now()
	view := open(nil)
	found := figures{"seconds": time.Since(start).Seconds(), "cpuSeconds": cpuSeconds() - cpu}
	endedAt := float64(time.Now().UnixMicro()) / 1e3
	peakRss := memory("VmHWM")
	debug.FreeOSMemory()
	found["heap"] = heap() - idleHeap
	if idleRss > 0 {
		found["idleRss"], found["rss"], found["peakRss"] = idleRss, memory("VmRSS")-idleRss, peakRss-idleRss
	}

	keys, checksum := 0, uint32(0)
	entries := must(view.Iterator())
	for entries.Next() {
		value := must(entries.Value()).([]byte)
		checksum += crc32.Update(crc32.ChecksumIEEE([]byte(entries.Key())), crc32.IEEETable, value)
		keys++
	}
	must(0, entries.Err())
	answer(found, map[string]any{"endedAt": endedAt, "content": map[string]any{"keys": keys, "checksum": checksum}})
}

// follow is idle for a while, then has 1,000 writes a second.
func follow() {
	type moment struct {
		cpu  float64
		time time.Time
	}
	now := func() moment { return moment{cpuSeconds(), time.Now()} }
	percent := func(from, to moment) float64 { return 100 * (to.cpu - from.cpu) / to.time.Sub(from.time).Seconds() }
	var once sync.Once
	var began moment
	var delays []float64
	end := make(chan moment, 1)
	open(func(key string, value []byte) {
		if key == "end" {
			end <- now()
		} else if strings.HasPrefix(key, "live-") {
			once.Do(func() { began = now() })
			sent := must(strconv.ParseInt(string(value[:16]), 10, 64))
			delays = append(delays, float64(time.Now().UnixMicro()-sent)/1e3)
		}
	})
	time.Sleep(time.Second)
	start := now()
	time.Sleep(time.Duration(number("seconds") * float64(time.Second)))
	found := figures{"idleCpu": percent(start, now())}
	must(os.Create(job["ready"]))
	select {
	case ended := <-end:
		found["liveCpu"] = percent(began, ended)
	case <-time.After(time.Minute):
		must(0, fmt.Errorf("the end was not seen within 60 s"))
	}
	found["liveP50"], found["liveP99"] = quantile(delays, 0.5), quantile(delays, 0.99)
	answer(found, map[string]any{"seen": len(delays) + 1})
}

func main() {
	log.SetOutput(io.Discard)
	for _, argument := range os.Args[1:] {
		name, value, _ := strings.Cut(argument, "=")
		job[name] = value
	}
	map[string]func(){"catchUp": catchUp, "follow": follow}[job["task"]]()
}
