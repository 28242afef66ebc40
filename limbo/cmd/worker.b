implement Llama9worker;

# llama9/worker: what llama9/isolate runs unless told. Each message is a prompt;
# nil is the end.

include "sys.m";
	sys: Sys;
include "draw.m";
include "llama9.m";
	llama9: Llama9;
	ModelContext, Stream: import llama9;
include "llama9isolate.m";

run(in, out: chan of array of byte, nil: list of string): string
{
	sys = load Sys Sys->PATH;
	llama9 = load Llama9 Llama9->PATH;
	if(llama9 == nil)
		return sys->sprint("cannot load %s: %r", Llama9->PATH);
	err := llama9->init();
	if(err != nil)
		return err;
	m: ref ModelContext;
	(m, err) = ModelContext.new("/n/llama");
	if(err != nil)
		return err;
	while((prompt := <-in) != nil){
		err = m.promptb(prompt);
		if(err != nil)
			return err;
		s: ref Stream;
		(s, err) = m.answer();
		if(err != nil)
			return err;
		for(;;){
			b: array of byte;
			(b, err) = <-s.c;
			if(b == nil)
				break;
			out <-= b;
		}
		if(err != nil)
			return err;
		out <-= array of byte "\n";
	}
	m.close();
	return nil;
}
