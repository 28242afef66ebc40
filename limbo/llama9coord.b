implement Llama9coord;

# A coordinator in Limbo, for networks that have no other: see llama9(2). One
# proc, serve, owns the set of nodes and is asked by a channel; it never waits
# for another. Each node has a proc that follows its events, and each turn one
# that goes from node to node (llama9turn.b).

include "sys.m";
	sys: Sys;
include "draw.m";
include "rand.m";
	rand: Rand;
include "llama9.m";
	llama9: Llama9;
	Attr, DisNode, ModelContext, Stream: import llama9;
include "llama9coord.m";

# the operations of a Request
Add, Remove, Balance, Pause, Resume, List, Take, Forget, Give, Seen: con iota;

# how long until what hung up is dialled again, in milliseconds
Soon: con 250;
Late: con 30000;

init(): string
{
	if(sys != nil)
		return nil;
	s := load Sys Sys->PATH;
	rand = load Rand Rand->PATH;
	if(rand == nil)
		return s->sprint("cannot load %s: %r", Rand->PATH);
	rand->init(s->millisec() ^ s->pctl(0, nil) << 16);
	llama9 = load Llama9 Llama9->PATH;
	if(llama9 == nil)
		return s->sprint("cannot load %s: %r", Llama9->PATH);
	err := llama9->init();
	if(err == nil)
		sys = s;
	return err;
}

# new is a set of nodes of its own, empty.
NetworkCoordinator.new(strategy: string): (ref NetworkCoordinator, string)
{
	err := known(strategy);
	if(err != nil)
		return (nil, err);
	life, end: ref Sys->FD;
	(life, end, err) = llama9->lifeline();
	if(err != nil)
		return (nil, err);
	c := ref NetworkCoordinator(nil, life, chan of ref Request);
	gone := chan of int;
	spawn watch(end, gone);
	spawn serve(strategy, c.ask, gone);
	return (c, nil);
}

# mounted is the coordinator that is mounted on root.
NetworkCoordinator.mounted(root: string): (ref NetworkCoordinator, string)
{
	(ok, nil) := sys->stat(root + "/node/index");
	if(ok < 0)
		return (nil, sys->sprint("%s: no coordinator is mounted there: %r", root));
	return (ref NetworkCoordinator(root, nil, nil), nil);
}

watch(end: ref Sys->FD, gone: chan of int)
{
	sys->read(end, array[1] of byte, 1);
	gone <-= 1;
}

# add adds a node by its address, and where it is mounted; a coordinator that is
# mounted uses the address alone.
NetworkCoordinator.add(c: self ref NetworkCoordinator, name: string, n: ref DisNode, weight: int): string
{
	if(weight < 1)
		return sys->sprint("%s: weight %d", name, weight);
	if(c.root != nil)
		return line(c, "mount" :: name :: n.addr :: "weight=" + string weight :: nil);
	if(name == nil)
		return "a node without a name";
	return request(c, Add, name, n, weight, nil).err;
}

# remove takes no turn away from the node, but gives it none any more.
NetworkCoordinator.remove(c: self ref NetworkCoordinator, name: string): string
{
	if(c.root != nil)
		return line(c, "unmount" :: name :: nil);
	return request(c, Remove, name, nil, 0, nil).err;
}

NetworkCoordinator.balance(c: self ref NetworkCoordinator, strategy: string): string
{
	if(c.root != nil)
		return line(c, "strategy" :: strategy :: nil);
	err := known(strategy);
	if(err != nil)
		return err;
	return request(c, Balance, nil, nil, 0, strategy).err;
}

# pause holds all turns that have not begun.
NetworkCoordinator.pause(c: self ref NetworkCoordinator): string
{
	if(c.root != nil)
		return line(c, "pause" :: nil);
	return request(c, Pause, nil, nil, 0, nil).err;
}

NetworkCoordinator.resume(c: self ref NetworkCoordinator): string
{
	if(c.root != nil)
		return line(c, "resume" :: nil);
	return request(c, Resume, nil, nil, 0, nil).err;
}

NetworkCoordinator.nodes(c: self ref NetworkCoordinator): (list of ref Member, string)
{
	if(c.root == nil)
		return (request(c, List, nil, nil, 0, nil).members, nil);
	(s, err) := index(c.root);
	if(err != nil)
		return (nil, err);
	(nil, lines) := sys->tokenize(s, "\n");
	l: list of ref Member;
	for(; lines != nil; lines = tl lines){
		a: list of Attr;
		(a, err) = llama9->attrs(hd lines);
		if(err != nil)
			return (nil, err);
		l = ref Member(llama9->value(a, "name"), llama9->value(a, "addr"), llama9->value(a, "state"),
			int llama9->value(a, "weight"), int llama9->value(a, "inflight"),
			int llama9->value(a, "served"), llama9->value(a, "error")) :: l;
	}
	return (reversed(l), nil);
}

reversed(l: list of ref Member): list of ref Member
{
	r: list of ref Member;
	for(; l != nil; l = tl l)
		r = hd l :: r;
	return r;
}

index(root: string): (string, string)
{
	m := ref ModelContext(nil, root + "/node");
	return m.get("index");
}

line(c: ref NetworkCoordinator, l: list of string): string
{
	n := ref DisNode(nil, c.root, nil, nil);
	return n.ctl(l);
}

request(c: ref NetworkCoordinator, op: int, name: string, n: ref DisNode, number: int, text: string): ref Reply
{
	r := ref Request(op, name, n, number, text, nil, chan[1] of ref Reply);
	c.ask <-= r;
	return <-r.reply;
}

# A node, as serve has it.
Node: adt
{
	m:	ref Member;
	node:	ref DisNode;
	stop:	chan of int;
	kick:	chan of int;
};

Set: adt
{
	nodes:	array of ref Node;
	strategy:	string;
	paused:	int;
	last:	int;		# the node that round-robin gave last
	waiting:	list of ref Request;	# Takes, in order
};

serve(strategy: string, ask: chan of ref Request, gone: chan of int)
{
	s := ref Set(nil, strategy, 0, -1, nil);
	for(;;) alt{
	r := <-ask =>
		obey(s, r, ask);
		settle(s);
	<-gone =>
		for(i := 0; i < len s.nodes; i++)
			s.nodes[i].stop <-= 1;
		for(; s.waiting != nil; s.waiting = tl s.waiting)
			(hd s.waiting).reply <-= ref Reply(nil, nil, nil, "the coordinator is gone");
		return;
	}
}

obey(s: ref Set, r: ref Request, ask: chan of ref Request)
{
	i := find(s, r.name);
	err: string;
	case r.op {
	Add =>
		if(i >= 0){
			err = r.name + ": in use";
			break;
		}
		m := ref Member(r.name, r.node.addr, "new", r.number, 0, 0, nil);
		n := ref Node(m, r.node, chan[1] of int, chan[1] of int);
		nodes := array[len s.nodes + 1] of ref Node;
		nodes[0:] = s.nodes;
		nodes[len s.nodes] = n;
		s.nodes = nodes;
		spawn health(r.name, n.node, ask, n.stop, n.kick);
	Remove =>
		if(i < 0){
			err = r.name + ": no such node";
			break;
		}
		s.nodes[i].stop <-= 1;
		nodes := array[len s.nodes - 1] of ref Node;
		nodes[0:] = s.nodes[0:i];
		nodes[i:] = s.nodes[i+1:];
		s.nodes = nodes;
	Balance =>
		s.strategy = r.text;
	Pause =>
		s.paused = 1;
	Resume =>
		s.paused = 0;
	List =>
		l: list of ref Member;
		for(i = len s.nodes - 1; i >= 0; i--)
			l = ref *s.nodes[i].m :: l;
		r.reply <-= ref Reply(nil, nil, l, nil);
		return;
	Take =>
		s.waiting = append(s.waiting, r);
		return;
	Forget =>
		# one that still waits, or has its answer and did not see it
		w: list of ref Request;
		for(; s.waiting != nil; s.waiting = tl s.waiting)
			if((hd s.waiting).reply != r.reply)
				w = append(w, hd s.waiting);
		s.waiting = w;
		alt{
		p := <-r.reply =>
			if((i = find(s, p.name)) >= 0)
				s.nodes[i].m.busy--;
		* =>
			;
		}
		return;
	Give =>
		if(i < 0)
			return;
		s.nodes[i].m.busy--;
		if(r.text != nil){
			down(s.nodes[i].m, r.text);
			alt{
			s.nodes[i].kick <-= 1 =>
				;
			* =>
				;	# it is told already
			}
		}
		return;
	Seen =>
		if(i < 0 || s.nodes[i].node != r.node)
			return;
		if(r.text != nil)
			down(s.nodes[i].m, r.text);
		else{
			s.nodes[i].m.state = "up";
			s.nodes[i].m.error = nil;
		}
		return;
	}
	r.reply <-= ref Reply(r.name, nil, nil, err);
}

down(m: ref Member, err: string)
{
	m.state = "down";
	m.error = err;
}

find(s: ref Set, name: string): int
{
	for(i := 0; i < len s.nodes; i++)
		if(s.nodes[i].m.name == name)
			return i;
	return -1;
}

append(l: list of ref Request, r: ref Request): list of ref Request
{
	if(l == nil)
		return r :: nil;
	return hd l :: append(tl l, r);
}

# settle answers the Takes that can be answered.
settle(s: ref Set)
{
	if(s.paused)
		return;
	w: list of ref Request;
	for(; s.waiting != nil; s.waiting = tl s.waiting){
		r := hd s.waiting;
		(i, err) := choose(s, r.but);
		if(i >= 0){
			s.nodes[i].m.busy++;
			s.nodes[i].m.served++;
			r.reply <-= ref Reply(s.nodes[i].m.name, s.nodes[i].node, nil, nil);
		}else if(err != nil)
			r.reply <-= ref Reply(nil, nil, nil, err);
		else
			w = append(w, r);
	}
	s.waiting = w;
}

include "llama9pick.b";
include "llama9turn.b";
