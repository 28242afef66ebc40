implement Llama9worker;

# Snoop looks for what an isolate should not have. A message is a word and a
# name; each is answered.

include "sys.m";
	sys: Sys;
include "draw.m";
include "llama9isolate.m";

run(in, out: chan of array of byte, args: list of string): string
{
	sys = load Sys Sys->PATH;
	while((b := <-in) != nil){
		(nil, w) := sys->tokenize(string b, " ");
		case hd w {
		"args" =>
			out <-= array of byte sys->sprint("%d %s", len args, hd args);
		"ls" =>
			out <-= array of byte ls(hd tl w);
		"open" =>
			out <-= array of byte opens(hd tl w);
		"fds" =>
			s := "";
			for(i := 0; i < 64; i++)
				if(sys->fildes(i) != nil)
					s += sys->sprint("%d ", i);
			out <-= array of byte s;
		"die" =>
			a := array[1] of int;
			i := len b;
			a[i] = 0;
		"fail" =>
			return "told to fail";
		"end" =>
			return nil;
		"child" =>
			spawn forever();
			out <-= array of byte "spawned";
		}
	}
	return nil;
}

# ls gives the names in a directory, in order.
ls(dir: string): string
{
	fd := sys->open(dir, Sys->OREAD);
	if(fd == nil)
		return sys->sprint("%r");
	s := "";
	for(;;){
		(n, d) := sys->dirread(fd);
		if(n <= 0)
			return s;
		for(i := 0; i < n; i++)
			s += d[i].name + " ";
	}
}

opens(name: string): string
{
	if(sys->open(name, Sys->OREAD) == nil)
		return "no";
	return "yes";
}

forever()
{
	c := chan of int;
	<-c;
}
