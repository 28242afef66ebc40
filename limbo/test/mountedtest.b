implement Mountedtest;

# Mountedtest checks the NetworkCoordinator of llama9(2) over a coordinator that
# is mounted: its arguments are the coordinator's address, with a node a, and
# that of another node.

include "sys.m";
	sys: Sys;
	sprint: import sys;
include "draw.m";
include "llama9.m";
	llama9: Llama9;
	DisNode, Stream: import llama9;
include "llama9coord.m";
	coord: Llama9coord;
	Member, NetworkCoordinator, Turn: import coord;

Mountedtest: module
{
	init:	fn(nil: ref Draw->Context, argv: list of string);
};

root: con "/n/mountedtest";

init(nil: ref Draw->Context, argv: list of string)
{
	sys = load Sys Sys->PATH;
	llama9 = load Llama9 Llama9->PATH;
	if(llama9 == nil)
		raise sprint("fail:cannot load %s: %r", Llama9->PATH);
	coord = load Llama9coord Llama9coord->PATH;
	if(coord == nil)
		raise sprint("fail:cannot load %s: %r", Llama9coord->PATH);
	err := llama9->init();
	if(err == nil)
		err = coord->init();
	if(err == nil)
		(nil, err) = DisNode.dial(hd tl argv, root, nil, nil);
	if(err != nil)
		raise "fail:" + err;
	c: ref NetworkCoordinator;
	(c, err) = NetworkCoordinator.mounted(root);
	is("mounted", err, nil);
	b := ref DisNode(hd tl tl argv, nil, nil, nil);
	is("add", c.add("b", b, 2), nil);
	has("add again", c.add("b", b, 2), "b: in use");
	has("add with no weight", c.add("x", b, 0), "weight 0");
	has("a strategy that is none", c.balance("bogus"), "bogus: not");
	is("balance", c.balance("round-robin"), nil);
	for(i := 0; i < 3000 && state(c, "a") + state(c, "b") != "upup"; i++)
		sys->sleep(10);
	is("both are up", state(c, "a") + state(c, "b"), "upup");

	want := ask(c);
	is("dispatch", want.t1, nil);
	for(i = 0; i < 3; i++)
		is("the same from each", ask(c).t0, want.t0);
	is("round-robin", sprint("%d %d", member(c, "a").served, member(c, "b").served), "2 2");
	is("weight", string member(c, "b").weight, "2");

	is("pause", c.pause(), nil);
	(s, e) := c.dispatch(turn());
	is("dispatch in a pause", e, nil);
	t := chan[1] of int;
	llama9->after(300, t);
	alt{
	<-s.c =>
		is("nothing comes", "something", nil);
	<-t =>
		is("nothing comes", nil, nil);
	}
	is("resume", c.resume(), nil);
	is("it comes", s.rest().t0, want.t0);
	is("remove", c.remove("b"), nil);
	has("remove what is not there", c.remove("b"), "b: no such node");
}

turn(): ref Turn
{
	set := ("seed" :: "7" :: nil) :: ("ignore_eos" :: "on" :: nil) :: ("n_predict" :: "10" :: nil) :: nil;
	return ref Turn(array of byte "why is the sky blue", "be kind", set);
}

ask(c: ref NetworkCoordinator): (string, string)
{
	(s, err) := c.dispatch(turn());
	if(err != nil)
		return (nil, err);
	return s.rest();
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
