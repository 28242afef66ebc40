implement Chat;

# llama9/chat: a conversation, a line a message. See llama9(2).

include "sys.m";
	sys: Sys;
include "draw.m";
include "arg.m";
include "bufio.m";
	bufio: Bufio;
	Iobuf: import bufio;
include "llama9.m";
	llama9: Llama9;
	ModelContext, Stream: import llama9;

Chat: module
{
	init:	fn(nil: ref Draw->Context, argv: list of string);
};

init(nil: ref Draw->Context, argv: list of string)
{
	sys = load Sys Sys->PATH;
	arg := load Arg Arg->PATH;
	if(arg == nil)
		fail(sys->sprint("cannot load %s: %r", Arg->PATH));
	bufio = load Bufio Bufio->PATH;
	if(bufio == nil)
		fail(sys->sprint("cannot load %s: %r", Bufio->PATH));
	begin();

	arg->init(argv);
	arg->setusage("llama9/chat [-k] [-m dir] [-p 'name value']... [-s system]");
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
	if(arg->argv() != nil)
		arg->usage();
	arg = nil;

	(m, err) := session(root, system, params);
	if(err != nil)
		fail(err);
	in := bufio->fopen(sys->fildes(0), Bufio->OREAD);
	while((line := in.gets('\n')) != nil){
		if(line[len line - 1] == '\n')
			line = line[0:len line - 1];
		if(line == nil)
			continue;
		if(line[0] == '/')
			err = command(m, line[1:]);
		else
			err = say(m, array of byte line);
		if(err != nil)
			complain(err);
	}
	if(keep)
		sys->fprint(sys->fildes(2), "%s\n", m.dir);
	else
		m.close();
}

# command does what a line tells that begins with a slash.
command(m: ref ModelContext, line: string): string
{
	if(line != nil && line[0] == '/')
		return say(m, array of byte line);
	(w, err) := llama9->fields(line);
	if(err != nil)
		return err;
	if(w == nil)
		return "/ what? /reset, /usage, /set name value; // begins a message with a slash";
	case hd w {
	"reset" =>
		return m.reset();
	"set" =>
		return m.set(tl w);
	"usage" =>
		(p, c, t, e) := m.usage();
		if(e == nil)
			sys->print("prompt %d cached %d tokens %d\n", p, c, t);
		return e;
	}
	return "/" + hd w + ": not /reset, /usage, /set";
}

complain(err: string)
{
	sys->fprint(sys->fildes(2), "llama9/chat: %s\n", err);
}

fail(err: string)
{
	complain(err);
	raise "fail:" + err;
}

include "talk.b";
