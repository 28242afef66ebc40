implement Ask;

# llama9/ask: one prompt, its answer as it is made. See llama9(2).

include "sys.m";
	sys: Sys;
include "draw.m";
include "arg.m";
include "llama9.m";
	llama9: Llama9;
	ModelContext, Stream: import llama9;

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
	arg->setusage("llama9/ask [-k] [-m dir] [-p 'name value']... [-s system] [prompt...]");
	root := "/n/llama";
	system: string;
	keep := 0;
	params: list of string;
	while((c := arg->opt()) != 0)
		case c {
		'k' =>	keep = 1;
		'm' =>	root = arg->earg();
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

	m := session(root, system, params);
	err = say(m, prompt);
	if(keep)
		sys->fprint(sys->fildes(2), "%s\n", m.dir);
	else
		m.close();
	if(err != nil)
		fail(err);
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

fail(err: string)
{
	sys->fprint(sys->fildes(2), "llama9/ask: %s\n", err);
	raise "fail:" + err;
}

include "talk.b";
