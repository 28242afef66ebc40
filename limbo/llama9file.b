# Included by llama9.b: files of a server, which may hang. What should answer at
# once is done by a proc of its own that has Timeout milliseconds; what blocks
# is a Stream.

Read, Write, Commit: con iota;

# how long a stream that nobody wants must have been silent for its reader to be
# killed, in milliseconds, twice
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

# What a proc shares with who waits for it. One that reads a mount is not killed
# when it is late: where answers arrive at the moment that emu interrupts it,
# those of others can be lost with its own. It ends when its server speaks.
Job: adt
{
	over:	int;		# nobody waits any more
};

rpc(op: int, file: string, mode: int, text: array of byte, ms: int): (string, string)
{
	job := ref Job(0);
	reply := chan[1] of (string, string);
	spawn work(op, file, mode, text, job, reply);
	return wait(job, reply, ms, file);
}

# work does it with descriptors of its own, as it may stay for long, and would
# keep the program's pipes open.
work(op: int, file: string, mode: int, text: array of byte, job: ref Job, reply: chan of (string, string))
{
	sys->pctl(Sys->NEWFD, nil);
	fd := sys->open(file, mode);
	if(fd == nil){
		reply <-= (nil, sys->sprint("%r"));
		return;
	}
	if(job.over)
		return;
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
	while((n := sys->read(fd, buf, len buf)) > 0 && op == Read && !job.over)
		all = cat(all, buf[0:n]);
	if(n < 0){
		reply <-= (nil, sys->sprint("%s: %r", file));
		return;
	}
	fd = nil;
	reply <-= (string all, nil);
}

# wait gives what a proc replies in ms milliseconds.
wait(job: ref Job, reply: chan of (string, string), ms: int, what: string): (string, string)
{
	late := chan[1] of int;
	timer := after(ms, late);
	alt{
	r := <-reply =>
		kill(timer);
		return r;
	<-late =>
		job.over = 1;
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
	job:	ref Job;
	reading:	int;
	count:	int;		# of reads
	hung:	int;		# pulse ends it, and not the reader
};

# follow is a Stream of what file gives, in lines or as it comes.
follow(file: string, lines: int): (ref Stream, string)
{
	(life, end, err) := lifeline();
	if(err != nil)
		return (nil, err);
	f := ref Flow(chan of (array of byte, string), chan of int, ref Job(0), 0, 0, 0);
	pid := chan[1] of int;
	opened := chan[1] of (string, string);
	spawn reader(f, file, lines, pid, opened);
	(nil, err) = wait(f.job, opened, Timeout, file);
	if(err != nil)
		return (nil, err);
	r := <-pid;
	spawn pulse(f, file, pid);
	spawn watch(f, r, <-pid, file, end);
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
	if(f.job.over)
		return;
	line: array of byte;
	for(;;){
		buf := array[Sys->ATOMICIO] of byte;
		f.reading = 1;
		n := sys->read(fd, buf, len buf);
		f.reading = 0;
		f.count++;
		if(f.hung)
			return;
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

# watch waits for the Stream to be dropped, and ends the others. The reader
# learns it by what comes, also from a server that hangs now. Only where nothing
# comes from one that answers it is killed, a while after that answer.
watch(f: ref Flow, reader, pulse: int, file: string, end: ref Sys->FD)
{
	sys->read(end, array[1] of byte, 1);
	f.job.over = 1;
	(prog, nil) := sys->stat("/prog");
	if(prog >= 0)
		kill(pulse);
	if(f.hung){
		if(prog < 0)
			f.gone <-= 1;
		return;
	}
	if(told(f))
		return;
	(nil, err) := slurp(parent(file) + "/status", Timeout);
	if(err == nil && prog >= 0){
		if(!told(f))
			kill(reader);
	}else
		f.gone <-= 1;
}

# told is 1 when the reader has heard in time that nobody wants it.
told(f: ref Flow): int
{
	silent := chan[1] of int;
	timer := after(Quiet, silent);
	alt{
	f.gone <-= 1 =>
		kill(timer);
		return 1;
	<-silent =>
		return 0;
	}
}

# pulse looks after a server that has long said nothing: it may think, or hang.
pulse(f: ref Flow, file: string, pid: chan of int)
{
	pid <-= sys->pctl(Sys->NEWFD, nil);
	for(;;){
		n := f.count;
		sys->sleep(Timeout);
		if(f.job.over)
			return;
		if(!f.reading || f.count != n)
			continue;
		(nil, err) := slurp(parent(file) + "/status", Timeout);
		if(err != nil && f.reading && f.count == n && !f.job.over){
			f.hung = 1;
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
