// Load generator and stopwatch for a controller of ResourcePolicy objects against a real kube-apiserver.
//
//	loadgen --kubeconfig F --template policy.json --n 10000 --controller 'CMD ARGS' STEP...
//
// Steps, in the order given:
//
//	create     make objects until there are n            delete     remove all objects of the kind
//	list       floor: plain list (bytes, seconds)         rawpatch   floor: server-side-apply status patches, 1/8/32 connections
//	drift      controller down, all specs changed: whatever status another controller left is out of date
//	colddrift  controller down, all specs changed, start it: time until every status is current
//	coldsync   controller down, one spec changed, start it: time until that one is current
//	idle       start, wait until all are synced, rest, print RSS
//	burst      controller up, all specs changed at once: objects a second
//	soak       controller up, --rounds times all specs changed: resident memory after each round
//	latency    controller up, --rate changes a second for --seconds: spec write to status write
//
// The template is an object as JSON, with NAME and 12345 where the name and the value of spec.capacity.max go.
//
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	kubeconfig = flag.String("kubeconfig", os.Getenv("KUBECONFIG"), "")
	n          = flag.Int("n", 1000, "objects")
	conns      = flag.Int("conns", 8, "connections for writes")
	ctl        = flag.String("controller", "", "controller command")
	label      = flag.String("label", "", "printed with each result")
	template   = flag.String("template", "", "file: object as JSON with NAME and 12345")
	rate       = flag.Float64("rate", 50, "latency: changes a second")
	seconds    = flag.Int("seconds", 30, "latency: how long")
	rounds     = flag.Int("rounds", 10, "soak: how often all specs are changed")
	limit      = flag.Duration("limit", 5*time.Minute, "give up a step after")
	rest5      = flag.Duration("rest", 5*time.Second, "idle: rest before RSS is read")
)

var (
	base    string
	clients []*http.Client
	proc    *exec.Cmd
	tpl     string
)

const (
	apiVersion = "trimtab.dev/v1alpha1"
	coll       = "/apis/" + apiVersion + "/namespaces/default/resourcepolicies"
	maxValue   = 1_000_000 // The kind's bound of spec.capacity.max.
)

func die(f string, a ...any) { fmt.Fprintf(os.Stderr, f+"\n", a...); stop(); os.Exit(1) }

func do(c *http.Client, method, path, ct string, body []byte) ([]byte, int) {
	req, _ := http.NewRequest(method, base+path, bytes.NewReader(body))
	if ct != "" {
		req.Header.Set("Content-Type", ct)
	}
	req.Header.Set("Accept", "application/json")
	r, err := c.Do(req)
	if err != nil {
		die("%s %s: %v", method, path, err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return b, r.StatusCode
}

func name(i int) string { return fmt.Sprintf("w-%06d", i) }

// each runs f(i) for i in [0,n) over c connections.
func each(c int, f func(*http.Client, int)) time.Duration {
	t := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for k := 0; k < c; k++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				i := int(next.Add(1)) - 1
				if i >= *n {
					return
				}
				f(clients[k], i)
			}
		}()
	}
	wg.Wait()
	return time.Since(t)
}

type state struct{ gen, obs int64 }

// watcher keeps generation and observed generation of every object, and when they last met.
type watcher struct {
	mu   sync.Mutex
	s    map[string]state
	met  map[string]time.Time
	stop func()
	ok   int // objects whose observed equals generation
}

// watch lists and follows the objects. The server may end a watch at any time, and does so soon after the kind was
// installed: then it is listed and followed anew, else the stopwatch would never stop.
func watch() *watcher {
	w := &watcher{s: map[string]state{}, met: map[string]time.Time{}}
	var stopped atomic.Bool
	var mu sync.Mutex
	body := w.open()
	w.stop = func() {
		stopped.Store(true)
		mu.Lock()
		defer mu.Unlock()
		body.Close()
	}
	go func() {
		for {
			w.follow(body)
			mu.Lock()
			if stopped.Load() {
				mu.Unlock()
				return
			}
			body.Close()
			body = w.open()
			mu.Unlock()
		}
	}()
	return w
}

func (w *watcher) open() io.ReadCloser {
	b, code := do(clients[0], "GET", coll, "", nil)
	if code != 200 {
		die("list: %d %.200s", code, b)
	}
	var l struct {
		Metadata struct{ ResourceVersion string }
		Items    []obj
	}
	json.Unmarshal(b, &l)
	for _, o := range l.Items {
		w.put(o)
	}
	req, _ := http.NewRequest("GET", base+coll+"?watch=1&resourceVersion="+l.Metadata.ResourceVersion, nil)
	r, err := clients[len(clients)-1].Do(req)
	if err != nil {
		die("watch: %v", err)
	}
	return r.Body
}

func (w *watcher) follow(body io.Reader) {
	rd := bufio.NewReaderSize(body, 1<<20)
	for {
		line, err := rd.ReadBytes('\n')
		if err != nil {
			return
		}
		var e struct {
			Type   string
			Object obj
		}
		if json.Unmarshal(line, &e) == nil && (e.Type == "ADDED" || e.Type == "MODIFIED") {
			w.put(e.Object)
		}
	}
}

// obj decodes only what the stopwatch needs: the rest of an object is skipped, not built.
type obj struct {
	Metadata struct {
		Name       string
		Generation int64
	}
	Status struct{ ObservedGeneration int64 }
}

func (w *watcher) put(o obj) {
	nm, g, ob := o.Metadata.Name, o.Metadata.Generation, o.Status.ObservedGeneration
	now := time.Now()
	w.mu.Lock()
	old, had := w.s[nm]
	if had && old.gen == old.obs {
		w.ok--
	}
	w.s[nm] = state{g, ob}
	if g == ob {
		w.ok++
		if !had || old.gen != old.obs || old.gen != g {
			w.met[nm] = now
		}
	}
	w.mu.Unlock()
}

// wait until every object's observed generation is at least the wanted one.
func (w *watcher) wait(want map[string]int64) (time.Time, bool) {
	end := time.Now().Add(*limit)
	for time.Now().Before(end) {
		w.mu.Lock()
		done := true
		if want == nil {
			done = w.ok >= *n
		} else {
			for k, g := range want {
				if w.s[k].obs < g {
					done = false
					break
				}
			}
		}
		w.mu.Unlock()
		if done {
			return time.Now(), true
		}
		time.Sleep(2 * time.Millisecond)
	}
	w.complain(want)
	return time.Now(), false
}

// complain says which objects are late, and what the API server has of the first, in case it is the watch that is late.
func (w *watcher) complain(want map[string]int64) {
	var late []string
	w.mu.Lock()
	for k, s := range w.s {
		if (want == nil && s.obs != s.gen) || s.obs < want[k] {
			late = append(late, k)
		}
	}
	w.mu.Unlock()
	sort.Strings(late)
	fmt.Fprintf(os.Stderr, "%s: %d of %d objects are not in time\n", *label, len(late), *n)
	if len(late) > 0 {
		b, _ := do(clients[0], "GET", coll+"/"+late[0], "", nil)
		fmt.Fprintf(os.Stderr, "%s %s\n", late[0], b)
	}
}

func start() {
	if *ctl == "" {
		die("--controller is missing")
	}
	proc = exec.Command("sh", "-c", "exec "+*ctl)
	proc.Env = append(os.Environ(), "KUBECONFIG="+*kubeconfig)
	proc.Stdout, proc.Stderr = os.Stderr, os.Stderr
	if err := proc.Start(); err != nil {
		die("controller: %v", err)
	}
}

func stop() {
	if proc != nil {
		proc.Process.Signal(syscall.SIGTERM)
		done := make(chan struct{})
		go func() { proc.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			proc.Process.Kill()
			<-done
		}
		proc = nil
	}
}

func procStat() (cpu float64, rss, hwm int) {
	if proc == nil {
		return
	}
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", proc.Process.Pid))
	if i := bytes.LastIndexByte(b, ')'); i > 0 {
		f := strings.Fields(string(b[i+2:]))
		u, _ := strconv.ParseFloat(f[11], 64)
		s, _ := strconv.ParseFloat(f[12], 64)
		cpu = (u + s) / 100
	}
	b, _ = os.ReadFile(fmt.Sprintf("/proc/%d/status", proc.Process.Pid))
	for _, l := range strings.Split(string(b), "\n") {
		if f := strings.Fields(l); len(f) > 1 {
			v, _ := strconv.Atoi(f[1])
			switch f[0] {
			case "VmRSS:":
				rss = v
			case "VmHWM:":
				hwm = v
			}
		}
	}
	return
}

func setSpec(c *http.Client, i int, v int64) int64 {
	b := fmt.Sprintf(`{"spec":{"capacity":{"max":%d}}}`, v)
	r, code := do(c, "PATCH", coll+"/"+name(i), "application/merge-patch+json", []byte(b))
	if code != 200 {
		die("patch: %d %.300s", code, r)
	}
	var o struct{ Metadata struct{ Generation int64 } }
	json.Unmarshal(r, &o)
	return o.Metadata.Generation
}

func changeAll() (map[string]int64, time.Duration) {
	gens := make([]int64, *n)
	v := rand.Int63n(maxValue)
	d := each(*conns, func(c *http.Client, i int) { gens[i] = setSpec(c, i, 1+(v+int64(i))%maxValue) })
	want := map[string]int64{}
	for i, g := range gens {
		want[name(i)] = g
	}
	return want, d
}

func selfCPU() float64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}

var self0 float64

func say(step, f string, a ...any) {
	s := selfCPU()
	f += fmt.Sprintf(" loadgen_cpu_s=%.1f", s-self0)
	self0 = s
	l, _ := os.ReadFile("/proc/loadavg")
	fmt.Printf("%s %s n=%d %s load=%s\n", *label, step, *n, fmt.Sprintf(f, a...), strings.Fields(string(l))[0])
}

func main() {
	flag.Parse()
	cfg, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		die("kubeconfig: %v", err)
	}
	base = strings.TrimRight(cfg.Host, "/")
	b, err := os.ReadFile(*template)
	if err != nil {
		die("%v", err)
	}
	tpl = string(b)
	for i := 0; i < 40; i++ { // a transport each, so that each is a connection of its own
		c := rest.CopyConfig(cfg)
		c.Dial = nil
		c.TLSClientConfig.NextProtos = []string{"http/1.1"}
		h, err := rest.HTTPClientFor(c)
		if err != nil {
			die("%v", err)
		}
		tc, _ := rest.TLSConfigFor(c)
		h = &http.Client{Transport: &http.Transport{TLSClientConfig: tc, MaxIdleConnsPerHost: 4, ReadBufferSize: 1 << 16}}
		clients = append(clients, h)
	}
	for _, step := range flag.Args() {
		run(step)
	}
	stop()
}

func run(step string) {
	switch step {
	case "create":
		d := each(*conns, func(c *http.Client, i int) {
			b := strings.ReplaceAll(strings.ReplaceAll(tpl, "NAME", name(i)), "12345", strconv.Itoa(i+1))
			r, code := do(c, "POST", coll, "application/json", []byte(b))
			if code != 201 && code != 409 {
				die("create: %d %.300s", code, r)
			}
		})
		say(step, "seconds=%.2f per_s=%.0f", d.Seconds(), float64(*n)/d.Seconds())
	case "delete":
		t := time.Now()
		do(clients[0], "DELETE", coll, "application/json", []byte(`{"propagationPolicy":"Background"}`))
		say(step, "seconds=%.2f", time.Since(t).Seconds())
	case "list":
		var ds []float64
		size := 0
		for k := 0; k < 5; k++ {
			t := time.Now()
			b, _ := do(clients[0], "GET", coll+"?resourceVersion=0", "", nil)
			ds = append(ds, time.Since(t).Seconds())
			size = len(b)
		}
		sort.Float64s(ds)
		say("list-floor", "bytes=%d median_s=%.3f (from the watch cache, 5 runs)", size, ds[2])
		t := time.Now()
		cont, pages := "", 0
		for {
			b, _ := do(clients[0], "GET", coll+"?limit=500&continue="+cont, "", nil)
			var l struct{ Metadata struct{ Continue string } }
			json.Unmarshal(b, &l)
			pages++
			if cont = l.Metadata.Continue; cont == "" {
				break
			}
		}
		say("list-paged-floor", "pages=%d seconds=%.3f", pages, time.Since(t).Seconds())
	case "rawpatch":
		for _, c := range []int{1, 8, 32} {
			v := 1 + rand.Int63n(maxValue)
			total := *n
			if *n > 5000 {
				*n = 5000
			}
			d := each(c, func(h *http.Client, i int) {
				b := fmt.Sprintf(`{"apiVersion":"%s","kind":"ResourcePolicy","metadata":{"name":"%s"},"status":{"conditions":[{"type":"Floor","status":"True","reason":"Reconciled","message":"","observedGeneration":%d,"lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`,
					apiVersion, name(i), v)
				r, code := do(h, "PATCH", coll+"/"+name(i)+"/status?fieldManager=floor&force=true", "application/apply-patch+yaml", []byte(b))
				if code != 200 {
					die("apply: %d %.300s", code, r)
				}
			})
			say("rawpatch-floor", "conns=%d patches=%d per_s=%.0f", c, *n, float64(*n)/d.Seconds())
			*n = total
		}
	case "drift":
		stop()
		_, d := changeAll()
		say(step, "seconds=%.2f per_s=%.0f", d.Seconds(), float64(*n)/d.Seconds())
	case "colddrift":
		stop()
		_, pd := changeAll()
		w := watch()
		t := time.Now()
		start()
		end, ok := w.wait(nil)
		cpu, rss, hwm := procStat()
		d := end.Sub(t)
		w.stop()
		stop()
		say(step, "ok=%v seconds=%.2f per_s=%.0f cpu_s=%.2f cpu_s_per_10k=%.2f rss_mib=%.1f peak_mib=%.1f spec_patches_per_s=%.0f",
			ok, d.Seconds(), float64(*n)/d.Seconds(), cpu, cpu/float64(*n)*1e4, float64(rss)/1024, float64(hwm)/1024, float64(*n)/pd.Seconds())
	case "coldsync":
		var ds, cs []float64
		for k := 0; k < 3; k++ {
			stop()
			g := setSpec(clients[0], *n-1, 1+rand.Int63n(maxValue))
			w := watch()
			t := time.Now()
			start()
			end, ok := w.wait(map[string]int64{name(*n - 1): g})
			if !ok {
				die("coldsync: not in time")
			}
			cpu, _, _ := procStat()
			ds, cs = append(ds, end.Sub(t).Seconds()), append(cs, cpu)
			w.stop()
			stop()
		}
		sort.Float64s(ds)
		sort.Float64s(cs)
		say(step, "median_s=%.3f cpu_s=%.2f (3 runs)", ds[1], cs[1])
	case "idle":
		stop()
		start()
		if *n > 0 {
			setSpec(clients[0], *n-1, 1+rand.Int63n(maxValue))
			w := watch()
			w.wait(nil)
			w.stop()
		}
		time.Sleep(*rest5)
		c0, rss, hwm := procStat()
		time.Sleep(10 * time.Second)
		c1, rss2, _ := procStat()
		stop()
		say(step, "rss_mib=%.1f later=%.1f peak_mib=%.1f idle_cpu=%.2f%%", float64(rss)/1024, float64(rss2)/1024, float64(hwm)/1024, (c1-c0)*10)
	case "burst":
		stop()
		start()
		w := watch()
		w.wait(nil)
		time.Sleep(2 * time.Second)
		c0, _, _ := procStat()
		t := time.Now()
		want, pd := changeAll()
		end, ok := w.wait(want)
		c1, rss, hwm := procStat()
		d := end.Sub(t)
		w.stop()
		stop()
		say(step, "ok=%v seconds=%.2f per_s=%.0f spec_patches_s=%.2f cpu_s=%.2f cpu_s_per_10k=%.2f rss_mib=%.1f peak_mib=%.1f",
			ok, d.Seconds(), float64(*n)/d.Seconds(), pd.Seconds(), c1-c0, (c1-c0)/float64(*n)*1e4, float64(rss)/1024, float64(hwm)/1024)
	case "soak":
		stop()
		start()
		w := watch()
		w.wait(nil)
		time.Sleep(*rest5)
		_, first, _ := procStat()
		var each []string
		ok, last := true, first
		for r := 0; r < *rounds && ok; r++ {
			want, _ := changeAll()
			_, ok = w.wait(want)
			_, last, _ = procStat()
			each = append(each, fmt.Sprintf("%.1f", float64(last)/1024))
		}
		w.stop()
		stop()
		say(step, "ok=%v changes=%d rss_mib_before=%.1f rss_mib_after=%.1f each=%s", ok, *n**rounds, float64(first)/1024,
			float64(last)/1024, strings.Join(each, ","))
	case "latency":
		stop()
		start()
		w := watch()
		w.wait(nil)
		time.Sleep(2 * time.Second)
		type ev struct {
			nm       string
			g        int64
			sent, ok time.Time
		}
		total := int(*rate * float64(*seconds))
		if total > *n {
			total = *n
		}
		evs := make([]ev, total)
		var wg sync.WaitGroup
		c0, _, _ := procStat()
		t0 := time.Now()
		sem := make(chan *http.Client, 32)
		for k := 0; k < 32; k++ {
			sem <- clients[k]
		}
		perm := rand.Perm(*n)
		for k := 0; k < total; k++ {
			time.Sleep(time.Until(t0.Add(time.Duration(float64(k) / *rate * 1e9))))
			h := <-sem
			wg.Add(1)
			go func() {
				defer wg.Done()
				s := time.Now()
				g := setSpec(h, perm[k], 1+rand.Int63n(maxValue))
				evs[k] = ev{name(perm[k]), g, s, time.Now()}
				sem <- h
			}()
		}
		wg.Wait()
		want := map[string]int64{}
		for _, e := range evs {
			want[e.nm] = e.g
		}
		_, ok := w.wait(want)
		c1, _, _ := procStat()
		var a, b, p []float64
		w.mu.Lock()
		for _, e := range evs {
			a = append(a, w.met[e.nm].Sub(e.sent).Seconds()*1e3)
			b = append(b, w.met[e.nm].Sub(e.ok).Seconds()*1e3)
			p = append(p, e.ok.Sub(e.sent).Seconds()*1e3)
		}
		w.mu.Unlock()
		w.stop()
		stop()
		q := func(x []float64, f float64) float64 {
			sort.Float64s(x)
			return x[min(len(x)-1, int(f*float64(len(x))))]
		}
		say(step, "ok=%v rate=%.0f changes=%d sent_to_status_ms p50=%.2f p90=%.2f p99=%.2f max=%.2f | answer_to_status_ms p50=%.2f p99=%.2f | spec_patch_ms p50=%.2f p99=%.2f | cpu_s_per_10k=%.2f",
			ok, *rate, total, q(a, .5), q(a, .9), q(a, .99), q(a, 1), q(b, .5), q(b, .99), q(p, .5), q(p, .99), (c1-c0)/float64(total)*1e4)
	default:
		die("unknown step %s", step)
	}
}
