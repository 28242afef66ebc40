implement Isotest;

# Isotest checks the isolates of llama9(2); its arguments are the server's
# address, and the name of a text file.

include "sys.m";
	sys: Sys;
	sprint: import sys;
include "draw.m";
include "llama9.m";
	llama9: Llama9;
	DisNode: import llama9;
include "llama9isolate.m";
	isolate: Llama9isolate;
	Isolate: import isolate;

Isotest: module
{
	init:	fn(nil: ref Draw->Context, argv: list of string);
};

snoop: con "/dis/test/snoop.dis";
root: con "/n/isotest";

init(nil: ref Draw->Context, argv: list of string)
{
	sys = load Sys Sys->PATH;
	llama9 = load Llama9 Llama9->PATH;
	if(llama9 == nil)
		raise sprint("fail:cannot load %s: %r", Llama9->PATH);
	isolate = load Llama9isolate Llama9isolate->PATH;
	if(isolate == nil)
		raise sprint("fail:cannot load %s: %r", Llama9isolate->PATH);
	err := llama9->init();
	if(err == nil)
		err = isolate->init();
	if(err == nil)
		(nil, err) = DisNode.dial(hd tl argv, root, nil, nil);
	if(err != nil)
		raise "fail:" + err;
	bad(hd tl tl argv);
	before := procs();
	sees();
	dies();
	for(j := 0; j < 1000 && procs() > before; j++)
		sys->sleep(10);
	is("no procs are left", string (procs() <= before), "1");
}

bad(text: string)
{
	(nil, err) := Isolate.start("/dis/nothing.dis", nil, root, nil);
	has("a worker that is not there", err, "cannot load /dis/nothing.dis");
	# a file with a length: emu trusts it
	(nil, err) = Isolate.start(text, nil, root, nil);
	has("what is no worker", err, "cannot load " + text);
	(nil, err) = Isolate.start(snoop, nil, "/nothing", nil);
	has("a directory that is not there", err, "does not exist");
	(nil, err) = Isolate.start(snoop, "/n/local/etc/passwd" :: nil, root, nil);
	has("a file that is no code", err, "not in /dis");
	(nil, err) = Isolate.start(snoop, "/dis/../n/x" :: nil, root, nil);
	has("nor this", err, "not in /dis");
	(nil, err) = Isolate.start(snoop, "/dis/nothing.dis" :: nil, root, nil);
	has("a file that is not there", err, "does not exist");
}

sees()
{
	(i, err) := Isolate.start(snoop, "/dis/lib/arg.dis" :: nil, root, "one" :: nil);
	is("start", err, nil);
	is("arguments", ask(i, "args"), "1 one");
	is("its root", ask(i, "ls /"), "dis n ");
	is("its /n", ask(i, "ls /n"), "llama ");
	is("its /dis", ask(i, "ls /dis"), "lib worker.dis ");
	is("its /dis/lib", ask(i, "ls /dis/lib"), "dial.dis llama9.dis arg.dis ");
	is("its descriptors", ask(i, "fds"), "2 ");
	is("above its root", ask(i, "ls /.."), "dis n ");
	is("above its node", ask(i, "ls /n/llama/.."), "llama ");
	is("its node", ask(i, "open /n/llama/status"), "yes");
	no := array[] of {"#U", "#U*", "#p", "#p/1/ctl", "#I", "#I/tcp/clone", "#c/cons", "#c/user", "#C", "#/", "/prog", "/net",
		"/dev", "/fd/2", "/chan", "/env", "/n/local", "/../chan", "../../chan", "/n/llama/../../chan",
		"/n/llama/../../../n/local", "/dis/sh.dis", "#s/x", "#M/1"};
	for(j := 0; j < len no; j++){
		got := ask(i, "open " + no[j]);
		is("no " + no[j], got, "no");
	}
}

dies()
{
	(i, err) := Isolate.start(snoop, nil, root, "one" :: nil);
	is("start again", err, nil);
	is("a child", ask(i, "child"), "spawned");
	n := procs();
	say(i, "die");
	(why, over) := <-i.died;
	has("it dies", why, "array bounds");
	is("not for good", string over, "0");
	is("it is there again", ask(i, "open /n/llama/status"), "yes");
	is("its child is not", string (procs() < n), "1");
	say(i, "fail");
	(why, over) = <-i.died;
	has("it fails", why, "told to fail");
	is("it is there once more", ask(i, "ls /n"), "llama ");
	say(i, "end");
	(why, over) = <-i.died;
	is("it ends", why, nil);
	is("for good", string over, "1");
}

say(i: ref Isolate, s: string)
{
	i.in <-= array of byte s;
}

ask(i: ref Isolate, s: string): string
{
	say(i, s);
	alt{
	b := <-i.out =>
		return string b;
	(why, nil) := <-i.died =>
		return "died: " + why;
	}
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
