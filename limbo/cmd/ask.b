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
	llama9 = load Llama9 Llama9->PATH;
	if(llama9 == nil)
		fail(sys->sprint("cannot load %s: %r", Llama9->PATH));
	err := llama9->init();
	if(err != nil)
		fail(err);

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

	m: ref ModelContext;
	(m, err) = ModelContext.new(root);
	if(err != nil)
		fail(err);
	err = ask(m, system, params, prompt);
	if(keep)
		sys->fprint(sys->fildes(2), "%s\n", m.dir);
	else
		m.close();
	if(err != nil)
		fail(err);
}

ask(m: ref ModelContext, system: string, params: list of string, prompt: array of byte): string
{
	# who interrupts it wants no more
	err := m.set("onclose" :: "cancel" :: nil);
	if(err != nil)
		return err;
	l: list of string;
	for(; params != nil; params = tl params)
		l = hd params :: l;
	for(; l != nil; l = tl l){
		words: list of string;
		(words, err) = llama9->fields(hd l);
		if(err == nil)
			err = m.set(words);
		if(err != nil)
			return err;
	}
	if(system != nil){
		err = m.system(system);
		if(err != nil)
			return err;
	}
	err = m.promptb(prompt);
	if(err != nil)
		return err;
	s: ref Stream;
	(s, err) = m.answer();
	if(err != nil)
		return err;
	stdout := sys->fildes(1);
	nl := 1;
	for(;;){
		b: array of byte;
		(b, err) = <-s.c;
		if(b == nil)
			break;
		if(sys->write(stdout, b, len b) != len b)
			return sys->sprint("write: %r");
		nl = b[len b - 1] == byte '\n';
	}
	if(!nl)
		sys->fprint(stdout, "\n");
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

fail(err: string)
{
	sys->fprint(sys->fildes(2), "llama9/ask: %s\n", err);
	raise "fail:" + err;
}
