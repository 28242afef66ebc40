implement Llama9isolate;

# An isolate is a proc group with a name space of its own, which begins with an
# empty memory file system: see llama9(2). In it are the worker's code and the
# directory that it is to have at /n/llama, through a pipe; outside stay the
# keeper, which starts it again, and all else.

include "sys.m";
	sys: Sys;
include "draw.m";
include "sh.m";
include "llama9.m";
	llama9: Llama9;
include "llama9isolate.m";

# how long until a worker that died is started again, in milliseconds
Soon: con 250;
Late: con 30000;

# an empty directory without a parent
Site: con "#/";

Memfs: con "/dis/memfs.dis";

# what llama9.dis needs
always := array[] of {"/dis/lib/llama9.dis", "/dis/lib/dial.dis"};

init(): string
{
	if(sys != nil)
		return nil;
	s := load Sys Sys->PATH;
	llama9 = load Llama9 Llama9->PATH;
	if(llama9 == nil)
		return s->sprint("cannot load %s: %r", Llama9->PATH);
	err := llama9->init();
	if(err == nil)
		sys = s;
	return err;
}

# start runs the module in the file worker, with files of /dis that it loads.
Isolate.start(worker: string, files: list of string, dir: string, args: list of string): (ref Isolate, string)
{
	m := load Llama9worker worker;
	if(m == nil)
		return (nil, sys->sprint("cannot load %s: %r", worker));
	m = nil;
	(ok, nil) := sys->stat(dir);
	if(ok < 0)
		return (nil, sys->sprint("%r"));
	for(i := 0; i < len always; i++)
		files = always[i] :: files;
	err: string;
	text: array of byte;
	code: list of (string, array of byte);
	for(; files != nil; files = tl files){
		if(!below(hd files))
			return (nil, hd files + ": not in /dis");
		(text, err) = contents(hd files);
		if(err != nil)
			return (nil, err);
		code = (hd files, text) :: code;
	}
	(text, err) = contents(worker);
	if(err != nil)
		return (nil, err);
	code = ("/dis/worker.dis", text) :: code;
	life, end: ref Sys->FD;
	(life, end, err) = llama9->lifeline();
	if(err != nil)
		return (nil, err);
	i9 := ref Isolate(chan of array of byte, chan of array of byte, chan[16] of (string, int), life);
	w := ref Work(worker, code, dir, args, i9.in, i9.out);
	gone := chan of int;
	spawn watch(end, gone);
	spawn keep(w, i9.died, gone);
	return (i9, nil);
}

# below is whether a name is below /dis, and by no detour.
below(name: string): int
{
	(n, w) := sys->tokenize(name, "/");
	if(n < 2 || hd w != "dis" || name[0] != '/')
		return 0;
	for(; w != nil; w = tl w)
		if(hd w == "..")
			return 0;
	return 1;
}

watch(end: ref Sys->FD, gone: chan of int)
{
	sys->read(end, array[1] of byte, 1);
	gone <-= 1;
}

Work: adt
{
	worker:	string;
	files:	list of (string, array of byte);
	dir:	string;
	args:	list of string;
	in, out:	chan of array of byte;
};

# keep starts the worker until it ends by itself, or nobody wants it.
keep(w: ref Work, died: chan of (string, int), gone: chan of int)
{
	wait := Soon;
	for(;;){
		began := sys->millisec();
		pid := chan of int;
		ended := chan[1] of (int, string);
		spawn lead(w, pid, ended);
		ctl := sys->open(sys->sprint("/prog/%d/ctl", <-pid), Sys->OWRITE);
		again := 0;
		err: string;
		alt{
		(again, err) = <-ended =>
			sys->fprint(ctl, "killgrp");
		<-gone =>
			sys->fprint(ctl, "killgrp");
			return;
		}
		if(!again){
			alt{
			died <-= (err, 1) =>
				<-gone;
			<-gone =>
				;
			}
			return;
		}
		alt{
		died <-= (err, 0) =>
			;
		* =>
			;	# nobody reads it
		}
		if(sys->millisec() - began > Late)
			wait = Soon;
		t := chan[1] of int;
		timer := llama9->after(wait, t);
		alt{
		<-t =>
			;
		<-gone =>
			llama9->kill(timer);
			return;
		}
		wait *= 2;
		if(wait > Late)
			wait = Late;
	}
}

# lead is the leader of the worker's group: it builds what the worker sees, goes
# there, starts the worker and waits for its end. It must not keep a copy of the
# descriptors outside: nobody would see the Isolate go.
lead(w: ref Work, pid: chan of int, ended: chan of (int, string))
{
	me := sys->pctl(Sys->FORKNS|Sys->NEWPGRP|Sys->NEWFD|Sys->NEWENV, 2 :: nil);
	pid <-= me;
	ended <-= follow(w, me);
	c := chan of int;
	<-c;	# it is killed with its group, which is found by it
}

follow(w: ref Work, me: int): (int, string)
{
	waits := sys->open(sys->sprint("/prog/%d/wait", me), Sys->OREAD);
	if(waits == nil)
		return (0, sys->sprint("%r"));
	err := enter(w, waits.fd);
	if(err != nil)
		return (0, err);
	waits = sys->fildes(waits.fd);
	child := chan of int;
	spawn work(w, child);
	mine := string <-child + " ";
	buf := array[Sys->WAITLEN] of byte;
	while((n := sys->read(waits, buf, len buf)) > 0){
		s := string buf[0:n];
		if(len s < len mine || s[0:len mine] != mine)
			continue;	# another proc of the group
		for(i := len mine; i < len s; i++)
			if(s[i] == ':')
				break;
		why: string;
		if(i + 1 < len s)
			why = s[i+1:];
		return (why != nil, why);
	}
	return (1, sys->sprint("wait: %r"));
}

# enter makes an empty memory file system the root, and puts into it what the
# worker is to have. The descriptor waits stays.
enter(w: ref Work, waits: int): string
{
	tree := array[2] of ref Sys->FD;
	if(sys->pipe(tree) < 0)
		return sys->sprint("pipe: %r");
	if(sys->export(tree[0], w.dir, Sys->EXPASYNC) < 0)
		return sys->sprint("export %s: %r", w.dir);
	(mem, err) := memory();
	if(err != nil)
		return err;

	if(sys->chdir(Site) < 0)
		return sys->sprint("%r");
	sys->pctl(Sys->NEWNS|Sys->NEWFD|Sys->NODEVS, 2 :: waits :: tree[1].fd :: mem.fd :: nil);
	mem = sys->fildes(mem.fd);
	tree[1] = sys->fildes(tree[1].fd);
	if(sys->mount(mem, nil, "/", Sys->MREPL|Sys->MCREATE, nil) < 0 || sys->chdir("/") < 0)
		return sys->sprint("mount: %r");
	err = mkdirs("/n/llama/");
	for(l := w.files; err == nil && l != nil; l = tl l){
		(name, text) := hd l;
		err = mkdirs(name);
		if(err == nil)
			err = create(name, text);
	}
	if(err == nil && sys->mount(tree[1], nil, "/n/llama", Sys->MREPL, nil) < 0)
		err = sys->sprint("mount %s: %r", w.dir);
	return err;
}

# memory starts a memory file system and gives the connection to it.
memory(): (ref Sys->FD, string)
{
	mfs := load Command Memfs;
	if(mfs == nil)
		return (nil, sys->sprint("cannot load %s: %r", Memfs));
	p := array[2] of ref Sys->FD;
	if(sys->pipe(p) < 0)
		return (nil, sys->sprint("pipe: %r"));
	ready := chan of int;
	spawn memfs(mfs, p[0].fd, ready);
	<-ready;
	return (p[1], nil);
}

memfs(mfs: Command, fd: int, ready: chan of int)
{
	sys->pctl(Sys->NEWFD, 2 :: fd :: nil);
	sys->dup(fd, 0);
	ready <-= 1;
	mfs->init(nil, "memfs" :: "-s" :: nil);
}

# work becomes the worker, with no descriptor but standard error.
work(w: ref Work, child: chan of int)
{
	child <-= sys->pctl(Sys->NEWFD, 2 :: nil);
	m := load Llama9worker "/dis/worker.dis";
	if(m == nil)
		raise sys->sprint("fail:cannot load %s: %r", w.worker);
	err: string;
	{
		err = m->run(w.in, w.out, w.args);
	}exception e{
	"*" =>
		err = e;
	}
	if(err != nil)
		raise "fail:" + err;
}

contents(file: string): (array of byte, string)
{
	fd := sys->open(file, Sys->OREAD);
	if(fd == nil)
		return (nil, sys->sprint("%r"));
	all: array of byte;
	buf := array[Sys->ATOMICIO] of byte;
	while((n := sys->read(fd, buf, len buf)) > 0)
		all = llama9->cat(all, buf[0:n]);
	if(n < 0)
		return (nil, sys->sprint("%s: %r", file));
	return (all, nil);
}

# mkdirs makes the directories above name.
mkdirs(name: string): string
{
	for(i := 1; i < len name; i++){
		if(name[i] != '/')
			continue;
		(ok, nil) := sys->stat(name[0:i]);
		if(ok >= 0)
			continue;
		if(sys->create(name[0:i], Sys->OREAD, Sys->DMDIR|8r777) == nil)
			return sys->sprint("%r");
	}
	return nil;
}

create(name: string, b: array of byte): string
{
	fd := sys->create(name, Sys->OWRITE, 8r666);
	if(fd == nil)
		return sys->sprint("%r");
	if(sys->write(fd, b, len b) != len b)
		return sys->sprint("%s: %r", name);
	return nil;
}
