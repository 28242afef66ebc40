//go:build !race

// One goroutine, and much arithmetic: the race detector would find nothing here.

package coord

import (
	"container/heap"
	"container/list"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"llama9/styxfs"
)

// The simulation: the core with nodes that are arithmetic. A node has slots, a
// cache of blocks of prompts, and times for a token of a prefill and of an
// answer, which grow with the turns that it has.
const (
	simSlots   = 8
	simBlocks  = 512                   // 1 KiB each: 128 Ki tokens
	simPrefill = time.Millisecond      // a token of a prompt that is not cached
	simDecode  = 20 * time.Millisecond // a token of an answer, of a turn alone
	simUse     = 0.7                   // of the slots, of the load that is offered
)

// A sim is one run.
type sim struct {
	*cluster
	now    time.Time
	rand   *rand.Rand
	events events
	caches map[*node]*simCache
	jobs   map[*turn]simAsk // that wait

	asked, ended   int
	prompt, cached float64
	first          []time.Duration
	given          map[*node]int
}

// A simAsk is a turn that a load makes: its conversation, and who goes on when
// it has ended.
type simAsk struct {
	session  uint64
	messages []styxfs.Message
	tokens   int
	then     func(s *sim)
}

// A simCache is what a node really holds: the blocks used last.
type simCache struct {
	have  map[uint64]*list.Element
	order list.List
}

func (c *simCache) use(chain []uint64) (hit int) {
	for hit < len(chain) && c.have[chain[hit]] != nil {
		hit++
	}
	for i := len(chain) - 1; i >= 0; i-- {
		if e := c.have[chain[i]]; e != nil {
			c.order.MoveToFront(e)
		} else {
			c.have[chain[i]] = c.order.PushFront(chain[i])
		}
	}
	for len(c.have) > simBlocks {
		e := c.order.Back()
		c.order.Remove(e)
		delete(c.have, e.Value.(uint64))
	}
	return hit
}

// events are what will happen, the next one first.
type events []event

type event struct {
	at time.Time
	do func()
}

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

func (s *sim) at(d time.Duration, do func()) { heap.Push(&s.events, event{s.now.Add(d), do}) }

func (s *sim) exp(mean time.Duration) time.Duration {
	return time.Duration(s.rand.ExpFloat64() * float64(mean))
}

// ask commits a turn.
func (s *sim) ask(a simAsk) {
	r := &styxfs.Request{Session: a.session, User: "u", Messages: a.messages}
	r.Params.Model = "m"
	t := newTurn(r, nil, s.now)
	t.ids = nil
	s.asked++
	s.queue.add(t)
	s.jobs[t] = a
	s.place()
}

// place lets turns begin.
func (s *sim) place() {
	for {
		t, n, _ := s.next(s.now)
		if t == nil {
			return
		}
		a := s.jobs[t]
		delete(s.jobs, t)
		s.given[n]++
		hit := s.caches[n].use(t.chain)
		prompt := t.size/4 + 20
		cached := 0
		if len(t.chain) > 0 {
			cached = min(hit*blockSize/4, prompt)
		}
		crowd := 1 + float64(n.inflight-1)/simSlots
		prefill := time.Duration(float64(prompt-cached) * float64(simPrefill) * crowd)
		s.prompt += float64(prompt)
		s.cached += float64(cached)
		s.first = append(s.first, s.now.Sub(t.since)+prefill)
		s.at(prefill+time.Duration(float64(a.tokens)*float64(simDecode)*crowd), func() {
			answer := strings.Repeat("w ", 2*a.tokens)
			chain, _ := chainOf(append(slices.Clip(a.messages), styxfs.Message{Role: "assistant", Content: answer}))
			s.caches[n].use(chain)
			s.cluster.ended(n, t, &styxfs.Outcome{PromptTokens: prompt, CachedTokens: cached, Tokens: a.tokens}, answer)
			s.returned(n, t)
			s.ended++
			if a.then != nil {
				a.then(s)
			}
			s.place()
		})
	}
}

// A simLoad is a way to ask: arrivals, each of turns turns one after the other.
type simLoad struct {
	name  string
	turns int
	ask   func(s *sim, i int) simAsk
}

// text gives so many bytes that only this seed has.
func text(seed, bytes int) string {
	word := fmt.Sprintf("%08x ", seed)
	return strings.Repeat(word, bytes/len(word)+1)[:bytes]
}

func message(role string, seed, bytes int) styxfs.Message {
	return styxfs.Message{Role: role, Content: text(seed, bytes)}
}

// zipf picks one of n, the first ones often.
func (s *sim) zipf(n int) int {
	return min(int(math.Exp(s.rand.Float64()*math.Log(float64(n+1))))-1, n-1)
}

var simLoads = []simLoad{
	{"shared prefixes", 1, func(s *sim, i int) simAsk { // system messages of 8 KiB, some of them much used
		return simAsk{session: uint64(i + 1), tokens: 64, messages: []styxfs.Message{
			message("system", s.zipf(16*len(s.nodes)), 8<<10), message("user", 1e6+i, 512)}}
	}},
	{"conversations", 6, func(s *sim, i int) simAsk { // that grow by some KiB a turn
		return simAsk{session: uint64(i + 1), tokens: 128, messages: []styxfs.Message{message("user", 1e6+i, 2<<10)}}
	}},
	{"hot prefix", 1, func(s *sim, i int) simAsk { // four of five turns have one and the same
		system := 0
		if s.rand.IntN(5) == 0 {
			system = 1 + s.rand.IntN(64)
		}
		return simAsk{session: uint64(i + 1), tokens: 64, messages: []styxfs.Message{
			message("system", system, 16<<10), message("user", 1e6+i, 512)}}
	}},
}

// A simResult is what a run shows.
type simResult struct {
	hits       float64 // tokens of prompts that were cached, of all
	mean, tail time.Duration
	most       float64 // turns of the node with the most, by the mean
}

// simulate runs arrivals of a load on nodes.
func simulate(strategy string, nodes, arrivals int, l simLoad) simResult {
	s := &sim{
		cluster: newCluster(1), now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), rand: rand.New(rand.NewPCG(7, 7)),
		caches: make(map[*node]*simCache), given: make(map[*node]int), jobs: make(map[*turn]simAsk),
	}
	s.strategy = strategy
	for i := range nodes {
		n := &node{name: fmt.Sprintf("n%04d", i), weight: 1}
		s.mount(n)
		s.up(n, s.now, &Status{ID: n.name, State: "ready", Slots: simSlots}, []styxfs.Model{{Name: "m", State: "loaded"}})
		s.caches[n] = &simCache{have: make(map[uint64]*list.Element)}
	}
	// A turn holds a slot for about so long.
	probe := l.ask(s, 0)
	size := 0
	for _, m := range probe.messages {
		size += len(m.Content)
	}
	hold := time.Duration(size/4)*simPrefill/2 + time.Duration(float64(probe.tokens)*float64(simDecode)*1.6)
	between := time.Duration(float64(hold) * float64(l.turns) / (simUse * float64(nodes*simSlots)))
	made := 0
	var arrive func()
	arrive = func() {
		if made++; made < arrivals {
			s.at(s.exp(between), arrive)
		}
		a := l.ask(s, made)
		left := l.turns
		a.then = func(s *sim) {
			if left--; left > 0 {
				next := a
				next.messages = append(slices.Clip(a.messages), styxfs.Message{Role: "assistant", Content: strings.Repeat("w ", 2*a.tokens)},
					message("user", 1e8+made*16+left, 1<<10))
				a = next
				s.at(s.exp(5*time.Second), func() { s.ask(next) })
			}
		}
		s.ask(a)
	}
	s.at(0, arrive)
	for len(s.events) > 0 {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.do()
	}
	slices.Sort(s.first)
	sum, most := time.Duration(0), 0
	for _, d := range s.first {
		sum += d
	}
	for _, k := range s.given {
		most = max(most, k)
	}
	if s.asked != s.ended || s.asked != arrivals*l.turns {
		panic(fmt.Sprintf("%d turns asked for, %d ended", s.asked, s.ended))
	}
	return simResult{
		hits: s.cached / s.prompt, mean: sum / time.Duration(len(s.first)), tail: s.first[len(s.first)*99/100],
		most: float64(most) * float64(nodes) / float64(s.ended),
	}
}

// simulateAll runs every strategy, and tells a line of a table of each.
func simulateAll(t testing.TB, l simLoad, nodes, arrivals int) map[string]simResult {
	r := make(map[string]simResult)
	for _, strategy := range Strategies {
		x := simulate(strategy, nodes, arrivals/l.turns, l)
		r[strategy] = x
		t.Logf("| %s | %d | %s | %.3f | %.0f | %.0f | %.2f |", l.name, nodes, strategy, x.hits, float64(x.mean)/1e6, float64(x.tail)/1e6, x.most)
	}
	return r
}

// TestSimulation: what the strategies make of prefixes. The default has more
// from caches and an earlier first token than those that know nothing of them,
// and a prefix that all want does not fill one node only.
func TestSimulation(t *testing.T) {
	for _, l := range simLoads {
		const nodes = 8
		r := simulateAll(t, l, nodes, 2000)
		best := r[leastLoaded]
		for _, other := range []string{roundRobin, leastConnections, random} {
			if x := r[other]; best.hits < x.hits-0.02 || best.mean > x.mean*115/100 || l.turns == 1 && best.mean > x.mean*2/3 {
				t.Errorf("%s: least-loaded has %.3f from caches and %v to the first token, %s %.3f and %v", l.name, best.hits, best.mean, other, x.hits, x.mean)
			}
		}
		if best.most > 3 {
			t.Errorf("%s: one node has %.1f times its part", l.name, best.most)
		}
	}
}

// BenchmarkSimulation is the table of docs/performance.md: load, nodes,
// strategy, the part of the prompts that was cached, milliseconds to the first
// token in the mean and the 99th percentile, and turns of the node that had the
// most, by the mean.
func BenchmarkSimulation(b *testing.B) {
	for range b.N {
		for _, l := range simLoads {
			for _, nodes := range []int{8, 64, 1024} {
				simulateAll(b, l, nodes, min(max(60*nodes, 4000), 20000))
			}
		}
	}
}
