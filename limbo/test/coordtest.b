implement Coordtest;

# Coordtest checks the coordinator of llama9(2) over two nodes, a and b: their
# addresses are its arguments, and that of who signals them; with one more, a node
# freezes in a turn, else it is killed, and who runs it starts it again.

include "sys.m";
	sys: Sys;
	sprint: import sys;
include "draw.m";
include "dial.m";
	dialler: Dial;
include "sh.m";
	sh: Sh;
include "llama9.m";
	llama9: Llama9;
	Attr, DisNode, ModelContext, Stream: import llama9;
include "llama9coord.m";
	coord: Llama9coord;
	Member, NetworkCoordinator, Turn: import coord;

Coordtest: module
{
	init:	fn(nil: ref Draw->Context, argv: list of string);
};

init(nil: ref Draw->Context, argv: list of string)
{
	sys = load Sys Sys->PATH;
	sh = load Sh Sh->PATH;
	if(sh == nil)
		raise sprint("fail:cannot load %s: %r", Sh->PATH);
	dialler = load Dial Dial->PATH;
	if(dialler == nil)
		raise sprint("fail:cannot load %s: %r", Dial->PATH);
	llama9 = load Llama9 Llama9->PATH;
	if(llama9 == nil)
		raise sprint("fail:cannot load %s: %r", Llama9->PATH);
	coord = load Llama9coord Llama9coord->PATH;
	if(coord == nil)
		raise sprint("fail:cannot load %s: %r", Llama9coord->PATH);
	err := llama9->init();
	if(err == nil)
		err = coord->init();
	if(err != nil)
		raise "fail:" + err;
	a := array[] of {hd tl argv, hd tl tl argv};
	host = hd tl tl tl argv;

	before := procs();
	c: ref NetworkCoordinator;
	(c, err) = NetworkCoordinator.new("bogus");
	has("a strategy that is none", err, "bogus: not round-robin");
	(c, err) = NetworkCoordinator.mounted("/n/nothing");
	has("a coordinator that is not mounted", err, "no coordinator");
	(c, err) = NetworkCoordinator.new("round-robin");
	is("new", err, nil);
	is("dispatch without nodes", ask(c, "why").t1, "no nodes");

	na := mount(a[0], "/n/coordtest.a");
	nb := mount(a[1], "/n/coordtest.b");
	is("add a", c.add("a", na, 1), nil);
	is("add b", c.add("b", nb, 1), nil);
	has("add a again", c.add("a", na, 1), "a: in use");
	has("add with no weight", c.add("x", na, 0), "weight 0");
	has("add without a name", c.add(nil, na, 1), "name");
	has("remove what is not there", c.remove("x"), "x: no such node");
	(nil, err) = c.dispatch(ref Turn(nil, nil, nil));
	has("an empty prompt", err, "empty prompt");

	want := ask(c, "why is the sky blue");
	is("dispatch", want.t1, nil);
	for(i := 0; i < 5; i++)
		is("the same from each", ask(c, "why is the sky blue").t0, want.t0);
	is("round-robin", sprint("%d %d", served(c, "a"), served(c, "b")), "3 3");
	has("a bad parameter", text(c.dispatch(turn("why", "temprature"))).t1, "temprature: unknown");
	is("is no fault of a node", state(c, "a") + state(c, "b"), "upup");

	freeze := len argv > 4;
	if(!freeze){
		paused(c);
		balanced(c, nb);
	}
	if(freeze){
		failover(c, want.t0, "STOP");
		is("CONT of a", signal("CONT", "a"), nil);
		is("CONT of b", signal("CONT", "b"), nil);
		up(c, "a");
		up(c, "b");
		# Procs that were killed while the node was frozen go when it
		# answers. Let it: emu may lose answers that arrive while
		# another proc of the mount is killed, as the set's end does.
		left("who hung is gone", before + ofset + 2*ofnode);
	}else{
		failover(c, want.t0, "KILL");
		up(c, "a");
		up(c, "b");
		for(i = 0; i < 2; i++)
			is("both again", ask(c, "why is the sky blue").t0, want.t0);
	}

	is("remove a", c.remove("a"), nil);
	is("remove b", c.remove("b"), nil);
	is("dispatch without nodes again", ask(c, "why").t1, "no nodes");
	c = nil;
	left("no procs are left", before);
}

# the procs of a NetworkCoordinator, and for each of its nodes
ofset: con 2;
ofnode: con 4;

# left waits until there are no more than so many procs. It takes Timeout where
# emu lost the kill of a timer: one that had not fallen asleep yet.
left(what: string, most: int)
{
	for(i := 0; i < 4000 && procs() > most; i++)
		sys->sleep(10);
	is(what, string (procs() <= most), "1");
	if(procs() > most)
		sh->system(nil, "ps");
}

mount(addr, dir: string): ref DisNode
{
	(n, err) := DisNode.dial(addr, dir, nil, nil);
	is("dial", err, nil);
	return n;
}

turn(prompt, param: string): ref Turn
{
	set := ("seed" :: "7" :: nil) :: ("ignore_eos" :: "on" :: nil) :: (param :: "60" :: nil) :: nil;
	return ref Turn(array of byte prompt, "be kind", set);
}

ask(c: ref NetworkCoordinator, prompt: string): (string, string)
{
	return text(c.dispatch(turn(prompt, "n_predict")));
}

text(r: (ref Stream, string)): (string, string)
{
	if(r.t1 != nil)
		return (nil, r.t1);
	return r.t0.rest();
}

member(c: ref NetworkCoordinator, name: string): ref Member
{
	(l, err) := c.nodes();
	for(; l != nil; l = tl l)
		if((hd l).name == name)
			return hd l;
	raise "fail:no member " + name + ": " + err;
}

state(c: ref NetworkCoordinator, name: string): string
{
	return member(c, name).state;
}

served(c: ref NetworkCoordinator, name: string): int
{
	return member(c, name).served;
}

paused(c: ref NetworkCoordinator)
{
	is("pause", c.pause(), nil);
	(s, err) := c.dispatch(turn("why", "n_predict"));
	is("dispatch in a pause", err, nil);
	t := chan[1] of int;
	llama9->after(300, t);
	alt{
	<-s.c =>
		is("nothing comes", "something", nil);
	<-t =>
		is("nothing comes", nil, nil);
	}
	n := served(c, "a") + served(c, "b");
	gone: ref Stream;
	(gone, err) = c.dispatch(turn("why", "n_predict"));
	is("another", err, nil);
	gone = nil;	# and nobody waits for it
	is("resume", c.resume(), nil);
	(nil, err) = s.rest();
	is("it comes", err, nil);
	for(i := 0; i < 1000 && member(c, "a").busy + member(c, "b").busy > 0; i++)
		sys->sleep(10);
	is("all are free", string (member(c, "a").busy + member(c, "b").busy), "0");
	is("one was served, or both", string (served(c, "a") + served(c, "b") - n <= 2), "1");
}

balanced(c: ref NetworkCoordinator, nb: ref DisNode)
{
	is("balance", c.balance("least-connections"), nil);
	has("a strategy that is none", c.balance("best"), "best: not");
	s := array[4] of ref Stream;
	err: string;
	for(i := 0; i < len s; i++)
		(s[i], err) = c.dispatch(turn("why", "n_predict"));
	for(i = 0; i < len s; i++)
		s[i].next();
	is("least-connections", sprint("%d %d", member(c, "a").busy, member(c, "b").busy), "2 2");
	for(i = 0; i < len s; i++)
		(nil, err) = s[i].rest();
	is("all succeed", err, nil);

	is("random", c.balance("random"), nil);
	a := served(c, "a");
	b := served(c, "b");
	s = array[20] of ref Stream;
	for(i = 0; i < len s; i++)
		(s[i], err) = c.dispatch(turn("why", "n_predict"));
	for(i = 0; i < len s; i++)
		(nil, err) = s[i].rest();
	is("all succeed again", err, nil);
	is("random meets both", sprint("%d %d", served(c, "a") > a, served(c, "b") > b), "1 1");

	is("remove", c.remove("b"), nil);
	is("add with a weight", c.add("b", nb, 1000000), nil);
	up(c, "b");
	is("weighted-random", c.balance("weighted-random"), nil);
	a = served(c, "a");
	for(i = 0; i < 5; i++)
		ask(c, "why");
	is("weight counts", sprint("%d %d", served(c, "a") - a, served(c, "b")), "0 5");
	c.balance("round-robin");
}

up(c: ref NetworkCoordinator, name: string)
{
	for(i := 0; i < 3000 && state(c, name) != "up"; i++)
		sys->sleep(10);
	is(name + " is up", state(c, name), "up");
}

failover(c: ref NetworkCoordinator, want, how: string)
{
	(s, err) := c.dispatch(turn("why is the sky blue", "n_predict"));
	is("dispatch before the fault", err, nil);
	got := "";
	for(i := 0; i < 5; i++)
		got += s.next().t0;
	name := "a";
	if(member(c, "b").busy == 1)
		name = "b";
	is(how + " of " + name, signal(how, name), nil);
	(more, why) := s.rest();
	is("the stream goes on", why, nil);
	is("without a seam", got + more, want);
	is("all that is left", ask(c, "why is the sky blue").t0, want);
}

host: string;

# signal has the host signal a node. (A command of the host, by os(1), would do,
# but its end kills procs, which emu does not always take well.)
signal(how, name: string): string
{
	c := dialler->dial(host, nil);
	if(c == nil)
		return sprint("dial %s: %r", host);
	if(sys->fprint(c.dfd, "%s %s\n", how, name) < 0)
		return sprint("%s: %r", host);
	b := array[256] of byte;
	n := sys->read(c.dfd, b, len b);
	if(n < 0)
		return sprint("%s: %r", host);
	if(string b[0:n] == "done\n")
		return nil;
	return "the host says " + string b[0:n];
}

is(what, got, want: string)
{
	if(got == want)
		sys->print("ok %s\n", what);
	else
		sys->print("WRONG %s: got %q, want %q\n", what, got, want);
}

has(what, err, word: string)
{
	for(i := 0; i + len word <= len err; i++)
		if(err[i:i+len word] == word){
			sys->print("ok %s\n", what);
			return;
		}
	sys->print("WRONG %s: got %q, want something with %q\n", what, err, word);
}

procs(): int
{
	fd := sys->open("/prog", Sys->OREAD);
	n := 0;
	while((t := sys->dirread(fd).t0) > 0)
		n += t;
	return n;
}
