// SPDX-License-Identifier: Apache-2.0
//
// Places a CSV of workloads on new nodes bought from a CSV price catalogue with Karpenter's own
// Scheduler.Solve, and prints cost, nodes and seconds.
package main

import (
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	fakecr "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/fake"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/injection"
	"sigs.k8s.io/karpenter/pkg/operator/logging"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	sched "sigs.k8s.io/karpenter/pkg/scheduling"
	"sigs.k8s.io/karpenter/pkg/test"
)

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	return v
}

func readCSV(path string) ([]map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	var out []map[string]string
	for _, r := range rows[1:] {
		m := map[string]string{}
		for i, h := range rows[0] {
			if i < len(r) {
				m[strings.TrimSpace(h)] = strings.TrimSpace(r[i])
			}
		}
		out = append(out, m)
	}
	return out, nil
}

func num(s string) float64 { f, _ := strconv.ParseFloat(s, 64); return f }

func main() {
	work := flag.String("workloads", "", "CSV name,cpu_millis,memory_mib,count")
	cat := flag.String("catalog", "", "CSV provider,region,instance_type,vcpu,memory_gib,price_ondemand_usd_hr")
	maxPods := flag.Int64("max-pods", 110, "pods a node may hold")
	conc := flag.Int("concurrency", 2, "the scheduler's concurrent reconciles")
	timeout := flag.Duration("timeout", time.Hour, "limit for Solve (Karpenter's own is 1m)")
	plan := flag.String("plan", "", "write the plan as CSV node,provider,region,instance_type,workload,count")
	ovCPU := flag.Int64("overhead-millis", 0, "CPU that a node keeps for itself")
	ovMem := flag.Int64("overhead-mib", 0, "memory that a node keeps for itself")
	flag.Parse()
	log.SetLogger(logging.NopLogger)

	var its []*cloudprovider.InstanceType
	price := map[string]float64{}
	zones := map[string]bool{}
	for _, r := range must(readCSV(*cat)) {
		p := num(r["price_ondemand_usd_hr"])
		if p <= 0 || num(r["vcpu"]) <= 0 || num(r["memory_gib"]) <= 0 {
			continue
		}
		zone := r["provider"] + ":" + r["region"]
		name := zone + ":" + r["instance_type"]
		if _, dup := price[name]; dup {
			continue
		}
		price[name], zones[zone] = p, true
		// zone values must be label values: letters, digits, dots, dashes
		z := strings.NewReplacer(":", ".", "_", "-", " ", "-").Replace(zone)
		its = append(its, fake.NewInstanceType(name,
			fake.WithResources(corev1.ResourceList{
				corev1.ResourceCPU:    *resource.NewMilliQuantity(int64(math.Round(num(r["vcpu"])*1000)), resource.DecimalSI),
				corev1.ResourceMemory: *resource.NewQuantity(int64(math.Round(num(r["memory_gib"])*1024))<<20, resource.BinarySI),
				corev1.ResourcePods:   *resource.NewQuantity(*maxPods, resource.DecimalSI),
			}),
			fake.WithOfferings(cloudprovider.Offering{
				Available: true, Price: p,
				Requirements: sched.NewLabelRequirements(map[string]string{
					v1.CapacityTypeLabelKey: v1.CapacityTypeOnDemand, corev1.LabelTopologyZone: z}),
			})))
	}
	for _, it := range its { // instead of the fake type's own
		it.Overhead = &cloudprovider.InstanceTypeOverhead{KubeReserved: corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(*ovCPU, resource.DecimalSI),
			corev1.ResourceMemory: *resource.NewQuantity(*ovMem<<20, resource.BinarySI),
		}}
	}

	var pods []*corev1.Pod
	var sumCPU, sumMem float64
	t0 := time.Now()
	for _, r := range must(readCSV(*work)) {
		n := int(num(r["count"]))
		rl := corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewMilliQuantity(int64(num(r["cpu_millis"])), resource.DecimalSI),
			corev1.ResourceMemory: *resource.NewQuantity(int64(num(r["memory_mib"]))<<20, resource.BinarySI),
		}
		sumCPU += float64(n) * num(r["cpu_millis"]) / 1000
		sumMem += float64(n) * num(r["memory_mib"]) / 1024
		for i := 0; i < n; i++ {
			pods = append(pods, &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", r["name"], i), Namespace: "default",
					UID: uuid.NewUUID(), Labels: map[string]string{"app": r["name"]}},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Resources: corev1.ResourceRequirements{Requests: rl}}}},
			})
		}
	}

	ctx := options.ToContext(injection.WithControllerName(context.Background(), "provisioner"), test.Options())
	np := test.NodePool(v1.NodePool{Spec: v1.NodePoolSpec{Limits: v1.Limits{ // as in Karpenter's own benchmark, else its test default bites
		corev1.ResourceCPU:    resource.MustParse("100000000"),
		corev1.ResourceMemory: resource.MustParse("100000000Gi"),
	}}})
	np.Spec.Template.Spec.Requirements = nil
	cp := fake.NewCloudProvider()
	cp.InstanceTypes = its
	client := fakecr.NewFakeClient()
	clk := &clock.RealClock{}
	cluster := state.NewCluster(clk, client, cp)
	byPool := map[string][]*cloudprovider.InstanceType{np.Name: its}
	opts := []scheduling.Options{scheduling.NumConcurrentReconciles(*conc)}
	topo := must(scheduling.NewTopology(ctx, client, cluster, nil, []*v1.NodePool{np}, byPool, pods, opts...))
	s := scheduling.NewScheduler(ctx, client, []*v1.NodePool{np}, cluster, nil, topo, byPool, nil,
		events.NewRecorder(&record.FakeRecorder{}), clk, nil, nil, opts...)
	setup := time.Since(t0)

	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	t1 := time.Now()
	res, err := s.Solve(ctx, pods)
	solve := time.Since(t1)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		must(0, err)
	}
	cost, placed := 0.0, 0
	buys := map[string]int{}
	var w *csv.Writer
	if *plan != "" {
		f := must(os.Create(*plan))
		defer f.Close()
		w = csv.NewWriter(f)
		defer w.Flush()
		w.Write([]string{"node", "provider", "region", "instance_type", "workload", "count"})
	}
	for i, n := range res.NewNodeClaims {
		best, bp := "", math.Inf(1)
		for _, it := range n.InstanceTypeOptions {
			if p := price[it.Name]; p < bp {
				best, bp = it.Name, p
			}
		}
		cost += bp
		placed += len(n.Pods)
		buys[best]++
		if w != nil {
			c := map[string]int{}
			for _, p := range n.Pods {
				c[p.Labels["app"]]++
			}
			k := strings.SplitN(best, ":", 3)
			for a, m := range c {
				w.Write([]string{strconv.Itoa(i), k[0], k[1], k[2], a, strconv.Itoa(m)})
			}
		}
	}
	var ru syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	var names []string
	for k := range buys {
		names = append(names, k)
	}
	sort.Slice(names, func(i, j int) bool { return buys[names[i]] > buys[names[j]] })
	if len(names) > 6 {
		names = names[:6]
	}
	fmt.Printf("karpenter pods=%d placed=%d types=%d zones=%d cpu=%.1f mem_gib=%.1f nodes=%d cost_usd_hr=%.4f setup_s=%.3f solve_s=%.3f cpu_s=%.1f rss_mib=%d procs=%d top=",
		len(pods), placed, len(its), len(zones), sumCPU, sumMem, len(res.NewNodeClaims), cost, setup.Seconds(), solve.Seconds(),
		float64(ru.Utime.Sec)+float64(ru.Stime.Sec)+float64(ru.Utime.Usec+ru.Stime.Usec)/1e6, ru.Maxrss/1024, runtime.GOMAXPROCS(0))
	for i, n := range names {
		if i > 0 {
			fmt.Print(" ")
		}
		fmt.Printf("%dx%s", buys[n], n)
	}
	fmt.Println()
}
