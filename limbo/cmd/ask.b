implement Ask;

# llama9/ask: one prompt, its answer as it is made. See llama9(2).

include "sys.m";
	sys: Sys;
include "draw.m";
include "arg.m";
include "llama9.m";
	llama9: Llama9;
	DisNode, ModelContext, Stream: import llama9;
include "llama9coord.m";
	coord: Llama9coord;
	NetworkCoordinator, Turn: import coord;

Ask: module
{
	init:	fn(nil: ref Draw->Context, argv: list of string);
};

init(nil: ref Draw->Context, argv: list of string)
{
	sys = load Sys Sys->PATH;
	arg := load Arg Arg->PATH;
	if(arg == nil)
		fail(sys->sprint("cannot load %s: %r", Arg->PATH));
	begin();

	arg->init(argv);
	arg->setusage("llama9/ask [-k] [-m dir]... [-p 'name value']... [-s system] [prompt...]");
	roots: list of string;
	system: string;
	keep := 0;
	params: list of string;
	while((c := arg->opt()) != 0)
		case c {
		'k' =>	keep = 1;
		'm' =>	roots = arg->earg() :: roots;
		'p' =>	params = arg->earg() :: params;
		's' =>	system = arg->earg();
		* =>	arg->usage();
		}
	argv = arg->argv();
	arg = nil;

	prompt: array of byte;
	err: string;
	if(argv != nil){
		s := hd argv;
		for(argv = tl argv; argv != nil; argv = tl argv)
			s += " " + hd argv;
		prompt = array of byte s;
	}else{
		(prompt, err) = readall(sys->fildes(0));
		if(err != nil)
			fail(err);
	}
	if(len prompt == 0)
		fail("empty prompt");

	if(roots == nil)
		roots = "/n/llama" :: nil;
	if(tl roots == nil)
		err = one(hd roots, system, params, prompt, keep);
	else if(keep)
		err = "-k: a session is of one server";
	else
		err = several(roots, system, params, prompt);
	if(err != nil)
		fail(err);
}

one(root, system: string, params: list of string, prompt: array of byte, keep: int): string
{
	(m, err) := session(root, system, params);
	if(err != nil)
		return err;
	err = say(m, prompt);
	if(keep)
		sys->fprint(sys->fildes(2), "%s\n", m.dir);
	else
		m.close();
	return err;
}

# several asks one of many servers, and another when that is lost.
several(roots: list of string, system: string, params: list of string, prompt: array of byte): string
{
	coord = load Llama9coord Llama9coord->PATH;
	if(coord == nil)
		return sys->sprint("cannot load %s: %r", Llama9coord->PATH);
	err := coord->init();
	if(err != nil)
		return err;
	c: ref NetworkCoordinator;
	(c, err) = NetworkCoordinator.new("least-connections");
	why := err;
	for(some := 0; err == nil && roots != nil; roots = tl roots){
		n: ref DisNode;
		(n, why) = DisNode.at(hd roots);
		if(why == nil)
			why = c.add(hd roots, n, 1);
		if(why == nil)
			some++;
		else
			complain(why);
	}
	if(err == nil && some == 0)
		err = why;
	settings: list of list of string;
	for(; err == nil && params != nil; params = tl params){
		words: list of string;
		(words, err) = llama9->fields(hd params);
		settings = words :: settings;
	}
	s: ref Stream;
	if(err == nil)
		(s, err) = c.dispatch(ref Turn(prompt, system, settings));
	if(err == nil)
		err = copy(s);
	return err;
}

readall(fd: ref Sys->FD): (array of byte, string)
{
	all: array of byte;
	buf := array[Sys->ATOMICIO] of byte;
	while((n := sys->read(fd, buf, len buf)) > 0)
		all = llama9->cat(all, buf[0:n]);
	if(n < 0)
		return (nil, sys->sprint("read: %r"));
	if(len all > 0 && all[len all - 1] == byte '\n')
		all = all[0:len all - 1];
	return (all, nil);
}

complain(err: string)
{
	sys->fprint(sys->fildes(2), "llama9/ask: %s\n", err);
}

fail(err: string)
{
	complain(err);
	raise "fail:" + err;
}

include "talk.b";
