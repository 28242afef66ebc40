# Included by llama9.b: files of a server, which may hang. What should answer at
# once is done by a proc of its own that has Timeout milliseconds; what blocks
# is a Stream.

Read, Write, Commit: con iota;

# how long a stream that nobody wants must have been silent for its reader to be
# killed, in milliseconds
Quiet: con 500;

slurp(file: string, ms: int): (string, string)
{
	return rpc(Read, file, Sys->OREAD, nil, ms);
}

# post writes one line to a ctl.
post(file, line: string): string
{
	return rpc(Write, file, Sys->OWRITE, array of byte line, Timeout).t1;
}

# commit writes a text, and reads on the same descriptor, which makes it valid:
# a close could not say what is wrong.
commit(file: string, mode: int, text: array of byte): string
{
	return rpc(Commit, file, Sys->ORDWR|mode, text, Timeout).t1;
}

rpc(op: int, file: string, mode: int, text: array of byte, ms: int): (string, string)
{
	pid := chan of int;
	reply := chan[1] of (string, string);
	spawn work(op, file, mode, text, pid, reply);
	return wait(<-pid, reply, ms, file);
}

# work does it with descriptors of its own: where a server hangs, a proc that was
# killed stays until it answers, and would keep the program's pipes open.
work(op: int, file: string, mode: int, text: array of byte, pid: chan of int, reply: chan of (string, string))
{
	pid <-= sys->pctl(Sys->NEWFD, nil);
	fd := sys->open(file, mode);
	if(fd == nil){
		reply <-= (nil, sys->sprint("%r"));
		return;
	}
	if(op != Read && sys->write(fd, text, len text) != len text){
		reply <-= (nil, sys->sprint("%s: %r", file));
		return;
	}
	if(op == Write){
		fd = nil;
		reply <-= (nil, nil);
		return;
	}
	all: array of byte;
	buf := array[Sys->ATOMICIO] of byte;
	while((n := sys->read(fd, buf, len buf)) > 0 && op == Read)
		all = cat(all, buf[0:n]);
	if(n < 0){
		reply <-= (nil, sys->sprint("%s: %r", file));
		return;
	}
	fd = nil;
	reply <-= (string all, nil);
}

# wait gives what proc pid replies, or kills it after ms milliseconds.
wait(pid: int, reply: chan of (string, string), ms: int, what: string): (string, string)
{
	late := chan[1] of int;
	timer := after(ms, late);
	alt{
	r := <-reply =>
		kill(timer);
		return r;
	<-late =>
		kill(pid);
		return (nil, sys->sprint("%s: no answer in %d ms", what, ms));
	}
}

# after sends 1 on c, which is buffered, after ms milliseconds. It gives the
# proc that can be killed before.
after(ms: int, c: chan of int): int
{
	pid := chan of int;
	spawn sleeper(ms, c, pid);
	return <-pid;
}

sleeper(ms: int, c, pid: chan of int)
{
	pid <-= sys->pctl(0, nil);
	sys->sleep(ms);
	c <-= 1;
}

# kill ends a proc. It fails where there is no /prog, as in an isolate.
kill(pid: int): string
{
	fd := sys->open("/prog/" + string pid + "/ctl", Sys->OWRITE);
	if(fd == nil || sys->fprint(fd, "kill") < 0)
		return sys->sprint("%r");
	return nil;
}

# lifeline is a pipe. When the last reference to its one end goes, a read of
# the other ends: so procs learn that nobody wants them.
lifeline(): (ref Sys->FD, ref Sys->FD, string)
{
	p := array[2] of ref Sys->FD;
	if(sys->pipe(p) < 0)
		return (nil, nil, sys->sprint("pipe: %r"));
	return (p[0], p[1], nil);
}

# What the procs of a Stream share.
Flow: adt
{
	c:	chan of (array of byte, string);
	gone:	chan of int;
	over:	int;		# nobody wants it
	reading:	int;
	count:	int;		# of reads
};

# follow is a Stream of what file gives, in lines or as it comes.
follow(file: string, lines: int): (ref Stream, string)
{
	(life, end, err) := lifeline();
	if(err != nil)
		return (nil, err);
	f := ref Flow(chan of (array of byte, string), chan of int, 0, 0, 0);
	pid := chan of int;
	opened := chan[1] of (string, string);
	spawn reader(f, file, lines, pid, opened);
	r := <-pid;
	(nil, err) = wait(r, opened, Timeout, file);
	if(err != nil)
		return (nil, err);
	spawn pulse(f, r, file, pid);
	spawn watch(f, r, <-pid, end);
	return (ref Stream(f.c, life, nil), nil);
}

reader(f: ref Flow, file: string, lines: int, pid: chan of int, opened: chan of (string, string))
{
	pid <-= sys->pctl(Sys->NEWFD, nil);
	fd := sys->open(file, Sys->OREAD);
	if(fd == nil){
		opened <-= (nil, sys->sprint("%r"));
		return;
	}
	opened <-= (nil, nil);
	line: array of byte;
	for(;;){
		buf := array[Sys->ATOMICIO] of byte;
		f.reading = 1;
		n := sys->read(fd, buf, len buf);
		f.reading = 0;
		f.count++;
		if(n <= 0){
			err: string;
			if(n < 0)
				err = sys->sprint("%s: %r", file);
			fd = nil;
			if(len line == 0 || give(f, line, nil))
				finish(f, err);
			return;
		}
		if(!lines){
			if(!give(f, buf[0:n], nil))
				return;
			continue;
		}
		line = cat(line, buf[0:n]);
		b := 0;
		for(i := 0; i < len line; i++)
			if(line[i] == byte '\n'){
				if(!give(f, line[b:i], nil))
					return;
				b = i+1;
			}
		line = line[b:];
	}
}

# give is 0 when nobody wants it.
give(f: ref Flow, b: array of byte, err: string): int
{
	alt{
	f.c <-= (b, err) =>
		return 1;
	<-f.gone =>
		return 0;
	}
}

finish(f: ref Flow, err: string)
{
	while(give(f, nil, err))
		;
}

# watch waits for the Stream to be dropped, and ends the others. The reader is
# not killed while anything comes: where answers arrive on a mount at the moment
# that emu interrupts one of its procs, it can lose them, another's too, or the
# kill. A piece that comes shows the reader that it can go.
watch(f: ref Flow, reader, pulse: int, end: ref Sys->FD)
{
	sys->read(end, array[1] of byte, 1);
	f.over = 1;
	kill(pulse);
	(prog, nil) := sys->stat("/prog");
	silent := chan[1] of int;
	timer := after(Quiet, silent);
	alt{
	f.gone <-= 1 =>
		kill(timer);
	<-silent =>
		if(prog >= 0)
			kill(reader);
		else
			f.gone <-= 1;
	}
}

# pulse looks after a server that has long said nothing: it may think, or hang.
pulse(f: ref Flow, reader: int, file: string, pid: chan of int)
{
	pid <-= sys->pctl(Sys->NEWFD, nil);
	for(;;){
		n := f.count;
		sys->sleep(Timeout);
		if(f.over)
			return;
		if(!f.reading || f.count != n)
			continue;
		(nil, err) := slurp(parent(file) + "/status", Timeout);
		if(err != nil && f.reading && f.count == n){
			kill(reader);
			finish(f, err);
			return;
		}
	}
}

parent(file: string): string
{
	for(i := len file - 1; i > 0; i--)
		if(file[i] == '/')
			break;
	return file[0:i];
}

# next is the next piece in whole characters; (nil, nil) is the end.
Stream.next(s: self ref Stream): (string, string)
{
	for(;;){
		(b, err) := <-s.c;
		if(b == nil){
			b = s.held;
			s.held = nil;
			if(len b > 0)
				return (string b, nil);
			return (nil, err);
		}
		b = cat(s.held, b);
		n := sys->utfbytes(b, len b);
		s.held = b[n:];
		if(n > 0)
			return (string b[0:n], nil);
	}
}

# rest is all that is still to come, and why there is no more.
Stream.rest(s: self ref Stream): (string, string)
{
	all := s.held;
	s.held = nil;
	for(;;){
		(b, err) := <-s.c;
		if(b == nil)
			return (string all, err);
		all = cat(all, b);
	}
}
