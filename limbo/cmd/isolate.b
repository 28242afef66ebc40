implement Isolated;

# llama9/isolate: a program that sees a mounted server and nothing else. See
# llama9(2).

include "sys.m";
	sys: Sys;
include "draw.m";
include "arg.m";
include "llama9isolate.m";
	isolate: Llama9isolate;
	Isolate: import isolate;

Isolated: module
{
	init:	fn(nil: ref Draw->Context, argv: list of string);
};

init(nil: ref Draw->Context, argv: list of string)
{
	sys = load Sys Sys->PATH;
	arg := load Arg Arg->PATH;
	if(arg == nil)
		fail(sys->sprint("cannot load %s: %r", Arg->PATH));
	isolate = load Llama9isolate Llama9isolate->PATH;
	if(isolate == nil)
		fail(sys->sprint("cannot load %s: %r", Llama9isolate->PATH));
	err := isolate->init();
	if(err != nil)
		fail(err);

	arg->init(argv);
	arg->setusage("llama9/isolate [-f file]... [-m dir] [worker [arg...]]");
	root := "/n/llama";
	files: list of string;
	while((c := arg->opt()) != 0)
		case c {
		'f' =>	files = arg->earg() :: files;
		'm' =>	root = arg->earg();
		* =>	arg->usage();
		}
	argv = arg->argv();
	arg = nil;
	worker := "/dis/llama9/worker.dis";
	if(argv != nil){
		worker = hd argv;
		argv = tl argv;
	}

	i: ref Isolate;
	(i, err) = Isolate.start(worker, files, root, argv);
	if(err != nil)
		fail(err);
	pid := chan of int;
	spawn feed(i.in, pid);
	feeder := <-pid;
	stdout := sys->fildes(1);
	for(;;) alt{
	b := <-i.out =>
		if(sys->write(stdout, b, len b) != len b){
			kill(feeder);
			fail(sys->sprint("write: %r"));
		}
	(why, over) := <-i.died =>
		if(over){
			kill(feeder);
			if(why != nil)
				fail(why);
			return;
		}
		sys->fprint(sys->fildes(2), "llama9/isolate: begins again: %s\n", why);
	}
}

# feed sends the lines of the standard input, and nil.
feed(in: chan of array of byte, pid: chan of int)
{
	pid <-= sys->pctl(0, nil);
	stdin := sys->fildes(0);
	line := array[0] of byte;
	buf := array[Sys->ATOMICIO] of byte;
	while((n := sys->read(stdin, buf, len buf)) > 0)
		for(i := 0; i < n; i++){
			if(buf[i] == byte '\n'){
				if(len line > 0)
					in <-= line;
				line = array[0] of byte;
				continue;
			}
			l := array[len line + 1] of byte;
			l[0:] = line;
			l[len line] = buf[i];
			line = l;
		}
	if(len line > 0)
		in <-= line;
	in <-= nil;
}

kill(pid: int)
{
	fd := sys->open(sys->sprint("/prog/%d/ctl", pid), Sys->OWRITE);
	if(fd != nil)
		sys->fprint(fd, "kill");
}

fail(err: string)
{
	sys->fprint(sys->fildes(2), "llama9/isolate: %s\n", err);
	raise "fail:" + err;
}
