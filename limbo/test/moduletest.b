implement Moduletest;

# Moduletest checks llama9(2) against the server at an address, and prints ok or
# what is wrong, a line a check. It is run by the tests in Go.

include "sys.m";
	sys: Sys;
	sprint: import sys;
include "draw.m";
include "llama9.m";
	llama9: Llama9;
	Attr, DisNode, ModelContext, Stream: import llama9;

Moduletest: module
{
	init:	fn(nil: ref Draw->Context, argv: list of string);
};

root: con "/n/moduletest";

init(nil: ref Draw->Context, argv: list of string)
{
	sys = load Sys Sys->PATH;
	llama9 = load Llama9 Llama9->PATH;
	if(llama9 == nil)
		raise sprint("fail:cannot load %s: %r", Llama9->PATH);
	err := llama9->init();
	if(err != nil)
		raise "fail:" + err;
	addr := hd tl argv;

	text();
	n := server(addr);
	turns();
	streams();
	bad(n);
	ends();
	removed(n);
}

# is checks that two texts are the same.
is(what, got, want: string)
{
	if(got == want)
		sys->print("ok %s\n", what);
	else
		sys->print("WRONG %s: got %q, want %q\n", what, got, want);
}

# has checks that err has word in it.
has(what, err, word: string)
{
	for(i := 0; i + len word <= len err; i++)
		if(word != nil && err[i:i+len word] == word){
			sys->print("ok %s\n", what);
			return;
		}
	sys->print("WRONG %s: got %q, want something with %q\n", what, err, word);
}

join(l: list of string): string
{
	s := "";
	for(; l != nil; l = tl l)
		s += "[" + hd l + "]";
	return s;
}

text()
{
	(l, err) := llama9->fields("a  \"b c\" d=\"e\\\"f\\n\" \"\" \"\\xc3\\xa9\\u4e16\" é\n");
	is("fields", join(l), "[a][b c][d=e\"f\n][][é世][é]");
	is("fields succeed", err, nil);
	(nil, err) = llama9->fields("a \"b c");
	has("an open quote", err, "a quote is open");
	(nil, err) = llama9->fields("a \"b\\q\"");
	has("a bad escape", err, "bad quoting");
	(nil, err) = llama9->fields("a \"b\\x4\"");
	has("half an escape", err, "bad quoting");
	words := array[] of {"", "a", "a b", "it's", "x=y", "\"q\" \\", "two\nlines", "tab\there", "é世", "\u0000nul", "\u0085"};
	for(i := 0; i < len words; i++){
		(l, err) = llama9->fields(llama9->quote(words[i]));
		is("quote " + llama9->quote(words[i]), join(l), "[" + words[i] + "]");
	}
	is("quote leaves a word", llama9->quote("0.8"), "0.8");
	a: list of Attr;
	(a, err) = llama9->attrs("name=\"a b\" state=loaded error=\"\"\n");
	is("an attribute", llama9->value(a, "name"), "a b");
	is("another", llama9->value(a, "state"), "loaded");
	is("an empty one", llama9->value(a, "error"), nil);
	is("one that is not there", llama9->value(a, "nothing"), nil);
	(a, err) = llama9->attrs("a=b c");
	has("no attribute", err, "c: not attr=value");
}

server(addr: string): ref DisNode
{
	(n, err) := DisNode.dial(addr, root, nil, nil);
	is("dial", err, nil);
	is("alive", n.alive(Llama9->Timeout), nil);
	a: list of Attr;
	(a, err) = n.status();
	is("status", err, nil);
	is("state", llama9->value(a, "state"), "ready");
	m: list of list of Attr;
	(m, err) = n.models();
	is("models", err, nil);
	is("one model", string len m, "1");
	name := llama9->value(hd m, "name");

	e: ref Stream;
	(e, err) = n.events();
	is("events", err, nil);
	is("load", n.loadmodel("other", "fake:other", Attr("n_ctx", "512") :: nil), nil);
	line: string;
	while((line = e.next().t0) != nil && !(find(line, "name=other") && find(line, "state=loaded")))
		;
	has("event of the load", line, " model ");
	e = nil;
	(m, err) = n.models();
	is("two models", string len m, "2");
	is("unload", n.unloadmodel("other"), nil);
	has("load with no such option", n.loadmodel("more", "fake:more", Attr("nothing", "1") :: nil), "nothing");
	has("unload what is not there", n.unloadmodel("nothing"), "nothing");
	(nil, err) = DisNode.at("/n/moduletest/infer");
	has("at what is no mount", err, "no llama9");
	d: ref DisNode;
	(d, err) = DisNode.at(root);
	is("at", err, nil);
	has("redial of another's mount", d.redial(), "no address");
	(a, err) = d.status();
	is("status of at", llama9->value(a, "error"), "unload: unknown model \"nothing\"");
	is("default", n.ctl("default" :: name :: nil), nil);
	return n;
}

find(s, t: string): int
{
	for(i := 0; i + len t <= len s; i++)
		if(s[i:i+len t] == t)
			return 1;
	return 0;
}

new(): ref ModelContext
{
	(m, err) := ModelContext.new(root);
	is("new", err, nil);
	is("set seed", m.set("seed" :: "7" :: nil), nil);
	is("set ignore_eos", m.set("ignore_eos" :: "on" :: nil), nil);
	is("set n_predict", m.set("n_predict" :: "20" :: nil), nil);
	return m;
}

turns()
{
	m := new();
	(a, err) := m.evaluate("why is the sky blue");
	is("evaluate", err, nil);
	b: string;
	(b, err) = m.get("out");
	is("the same by get", b, a);
	(p, c, t, e) := m.usage();
	is("usage", e, nil);
	is("tokens of the prompt", string (p > 0), "1");
	is("tokens of the cache", string (c <= p), "1");
	is("tokens made", string t, "20");
	is("prompt is kept", m.get("prompt").t0, "why is the sky blue");

	is("a prompt that ends in a newline", m.evaluate("why\n").t1, nil);
	is("is kept", m.get("prompt").t0, "why\n");
	nul := "a\u0000b 'c' \"d\" é世";
	is("NUL, quotes and runes", m.evaluate(nul).t1, nil);
	is("are kept", m.get("prompt").t0, nul);
	long := "";
	for(i := 0; i < 1400; i++)
		long += " because 世界";
	is("a prompt of three messages", m.evaluate(long).t1, nil);
	is("is kept whole", m.get("prompt").t0, long);
	b0 := array[] of {byte 'a'};
	b1 := llama9->cat(nil, b0);
	b0[0] = byte 'b';
	is("cat copies", string b1, "a");

	is("system", m.system("be kind\n"), nil);
	is("system is kept, with the newline that is dropped", m.get("system").t0, "be kind\n\n");
	is("system is replaced", m.system("be brief"), nil);
	is("by this", m.get("system").t0, "be brief\n");
	is("system is removed", m.system(nil), nil);
	is("by nothing", m.get("system").t0, nil);
	is("a stop with spaces", m.set("stop" :: "two words" :: nil), nil);
	has("is in ctl", m.get("ctl").t0, "\nstop \"two words\"\n");
	is("no stop", m.set("stop" :: nil), nil);

	f: ref ModelContext;
	(f, err) = m.fork();
	is("fork", err, nil);
	has("with its settings", f.get("ctl").t0, "\nn_predict 20\n");
	is("and its conversation", f.get("chat").t0, m.get("chat").t0);
	is("close of it", f.close(), nil);
	is("reset", m.reset(), nil);
	is("forgets", m.get("chat").t0, nil);
	is("close", m.close(), nil);
	(f, err) = ModelContext.open(root, m.id);
	has("open what is closed", err, "does not exist");
}

streams()
{
	m := new();
	want := m.evaluate("how are you").t0;
	s: ref Stream;
	err: string;
	m.reset();
	ev: ref Stream;
	(ev, err) = m.events();
	is("events of a session", err, nil);
	(s, err) = m.stream("how are you");
	is("stream", err, nil);
	got, p: string;
	pieces := 0;
	for(;;){
		(p, err) = s.next();
		if(p == nil)
			break;
		got += p;
		pieces++;
	}
	is("its end", err, nil);
	is("its end again", s.next().t1, nil);
	is("the same seed, the same text", got, want);
	is("in pieces", string (pieces > 5), "1");
	for(;;){
		(p, err) = ev.next();
		if(p == nil || find(p, " done "))
			break;
	}
	has("event of the end", p, " done ");

	(s, err) = m.tokens();
	is("tokens", err, nil);
	all: array of byte;
	n := 0;
	for(;;){
		(line, nil) := <-s.c;
		if(line == nil)
			break;
		(f, e) := llama9->bytefields(line);
		is("a line of token", e, nil);
		all = llama9->cat(all, hd tl tl f);
		n++;
	}
	is("lines of token", string n, "20");
	is("are the text", string all, want);

	m.set("n_predict" :: "100000" :: nil);
	m.set("shift" :: "on" :: nil);
	(s, err) = m.stream("go on");
	is("an endless stream", err, nil);
	(p, err) = s.next();
	is("its first piece", err, nil);
	has("prompt in a turn", m.prompt("no"), "busy");
	is("cancel", m.cancel(), nil);
	(p, err) = s.rest();
	has("ends it", err, "cancel");
	a: list of Attr;
	(a, err) = m.status();
	is("its state", llama9->value(a, "state"), "cancelled");
	m.close();
}

bad(n: ref DisNode)
{
	(m, err) := ModelContext.new("/n/moduletest/nothing");
	has("new where nothing is", err, "does not exist");
	m = new();
	has("a parameter that is none", m.set("temprature" :: "0" :: nil), "temprature: unknown");
	has("a bad value", m.set("temperature" :: "hot" :: nil), "hot");
	has("an empty prompt", m.prompt(nil), "empty prompt");
	has("a grammar", m.put("grammar", "root ::= (") + m.evaluate("why").t1, "grammar");
	m.put("grammar", nil);
	has("a model that is not there", m.set("model" :: "nothing" :: nil) + m.evaluate("why").t1, "nothing");
	m.close();
	has("a session that is removed", m.evaluate("why").t1, "does not exist");
	(nil, err) = DisNode.dial(n.addr, "/moduletest", nil, nil);
	has("a mount point that is not there", err, "does not exist");
	(nil, err) = DisNode.dial("tcp!127.0.0.1!1", root+"2", nil, nil);
	has("a server that is not there", err, "refused");
	(nil, err) = DisNode.dial(n.addr, root+"2", "/no/such/key", nil);
	has("a key that is not there", err, "/no/such/key: no key");
	(nil, err) = m.events();
	has("events of what is removed", err, "does not exist");
}

# ends checks that procs end with what they are for.
ends()
{
	before := procs();
	m := new();
	m.set("n_predict" :: "100000" :: nil);
	m.set("shift" :: "on" :: nil);
	m.set("onclose" :: "cancel" :: nil);
	(ev, nil) := m.events();
	(s, err) := m.stream("go on");
	is("a stream", err, nil);
	s.next();
	line: string;
	is("procs are there", string (procs() > before), "1");
	s = nil;
	# its turn ends, because nobody reads it
	while((line = ev.next().t0) != nil && !find(line, "cancelled"))
		;
	has("a dropped stream", line, "cancelled");
	ev = nil;
	for(i := 0; i < 1000 && procs() > before; i++)
		sys->sleep(10);
	is("no procs are left", string (procs() <= before), "1");
	m.close();
}

procs(): int
{
	fd := sys->open("/prog", Sys->OREAD);
	n := 0;
	while((t := sys->dirread(fd).t0) > 0)
		n += t;
	return n;
}

removed(n: ref DisNode)
{
	m := new();
	m.set("n_predict" :: "100000" :: nil);
	m.set("shift" :: "on" :: nil);
	(s, err) := m.stream("go on");
	is("a stream", err, nil);
	s.next();
	is("close in a turn", m.close(), nil);
	(nil, err) = s.rest();
	is("ends the stream", string (err != nil), "1");
	is("unmount", n.unmount(), nil);
	has("alive without a mount", n.alive(1000), "does not exist");
	is("redial", n.redial(), nil);
	is("alive again", n.alive(Llama9->Timeout), nil);
}
