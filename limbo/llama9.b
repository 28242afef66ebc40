implement Llama9;

# Sessions and servers of llama9(4) as Limbo data: see llama9(2). All is done
# by the files below a mount; text.b, beside this, reads and writes their forms.

include "sys.m";
	sys: Sys;
include "draw.m";
include "keyring.m";
	keyring: Keyring;
include "security.m";
	auth: Auth;
include "dial.m";
	dialler: Dial;
include "llama9.m";

init(): string
{
	if(sys != nil)
		return nil;
	s := load Sys Sys->PATH;
	dialler = load Dial Dial->PATH;
	if(dialler == nil)
		return s->sprint("cannot load %s: %r", Dial->PATH);
	sys = s;
	return nil;
}

# DisNode

# dial mounts the server at addr on dir. With a keyfile, both ends prove who
# they are first, as mount(1) does without -A.
DisNode.dial(addr, dir, keyfile, alg: string): (ref DisNode, string)
{
	if(alg == nil)
		alg = "none";
	n := ref DisNode(dialler->netmkaddr(addr, "tcp", "5640"), dir, keyfile, alg);
	err := n.redial();
	if(err != nil)
		return (nil, err);
	return (n, nil);
}

# at is the server that is mounted on dir already.
DisNode.at(dir: string): (ref DisNode, string)
{
	(ok, nil) := sys->stat(dir + "/infer");
	if(ok < 0)
		return (nil, sys->sprint("%s: no llama9 is mounted there: %r", dir));
	return (ref DisNode(nil, dir, nil, nil), nil);
}

# redial mounts again what hung up.
DisNode.redial(n: self ref DisNode): string
{
	if(n.addr == nil)
		return n.dir + ": mounted by another, no address to dial";
	job := ref Job(0);
	reply := chan[1] of (string, string);
	pid := chan of int;
	spawn connect(n, pid, reply);
	p := <-pid;
	err := wait(job, reply, Timeout, n.addr).t1;
	if(job.over)
		kill(p);	# it would mount what nobody wants; nobody else uses its connection
	return err;
}

connect(n: ref DisNode, pid: chan of int, reply: chan of (string, string))
{
	pid <-= sys->pctl(0, nil);
	reply <-= (nil, connect1(n));
}

connect1(n: ref DisNode): string
{
	c := dialler->dial(n.addr, nil);
	if(c == nil)
		return sys->sprint("dial %s: %r", n.addr);
	fd := c.dfd;
	if(n.keyfile != nil){
		err: string;
		(fd, err) = prove(fd, n.keyfile, n.alg);
		if(err != nil)
			return n.addr + ": " + err;
	}
	if(sys->mount(fd, nil, n.dir, Sys->MREPL, nil) < 0)
		return sys->sprint("mount %s: %r", n.addr);
	(ok, nil) := sys->stat(n.dir + "/infer");
	if(ok < 0){
		err := sys->sprint("%s: serves 9P, but is no llama9: %r", n.addr);
		sys->unmount(nil, n.dir);
		return err;
	}
	return nil;
}

prove(fd: ref Sys->FD, keyfile, alg: string): (ref Sys->FD, string)
{
	if(auth == nil){
		keyring = load Keyring Keyring->PATH;
		a := load Auth Auth->PATH;
		if(keyring == nil || a == nil)
			return (nil, sys->sprint("cannot load %s: %r", Auth->PATH));
		err := a->init();
		if(err != nil)
			return (nil, err);
		auth = a;
	}
	info := keyring->readauthinfo(keyfile);
	if(info == nil)
		return (nil, sys->sprint("%s: no key: %r", keyfile));
	(afd, err) := auth->client(alg, info, fd);
	if(afd == nil)
		return (nil, "authentication: " + err);
	return (afd, nil);
}

DisNode.unmount(n: self ref DisNode): string
{
	if(sys->unmount(nil, n.dir) < 0)
		return sys->sprint("unmount %s: %r", n.dir);
	return nil;
}

# alive says why the server does not answer within ms milliseconds.
DisNode.alive(n: self ref DisNode, ms: int): string
{
	return slurp(n.dir + "/status", ms).t1;
}

DisNode.status(n: self ref DisNode): (list of Attr, string)
{
	(s, err) := slurp(n.dir + "/status", Timeout);
	if(err != nil)
		return (nil, err);
	return attrs(s);
}

DisNode.models(n: self ref DisNode): (list of list of Attr, string)
{
	(s, err) := slurp(n.dir + "/model", Timeout);
	if(err != nil)
		return (nil, err);
	(nil, lines) := sys->tokenize(s, "\n");
	l: list of list of Attr;
	for(; lines != nil; lines = tl lines){
		a: list of Attr;
		(a, err) = attrs(hd lines);
		if(err != nil)
			return (nil, err);
		l = a :: l;
	}
	r: list of list of Attr;
	for(; l != nil; l = tl l)
		r = hd l :: r;
	return (r, nil);
}

DisNode.ctl(n: self ref DisNode, line: list of string): string
{
	return post(n.dir + "/ctl", command(line));
}

DisNode.loadmodel(n: self ref DisNode, name, file: string, options: list of Attr): string
{
	s := command("load" :: name :: file :: nil);
	for(; options != nil; options = tl options)
		s += " " + (hd options).name + "=" + quote((hd options).value);
	return post(n.dir + "/ctl", s);
}

DisNode.unloadmodel(n: self ref DisNode, name: string): string
{
	return n.ctl("unload" :: name :: nil);
}

DisNode.events(n: self ref DisNode): (ref Stream, string)
{
	return follow(n.dir + "/event", 1);
}

# ModelContext

# new makes a session of the server that is mounted on root.
ModelContext.new(root: string): (ref ModelContext, string)
{
	(s, err) := slurp(root + "/infer/new", Timeout);
	if(err != nil)
		return (nil, err);
	return ModelContext.open(root, line(s));
}

ModelContext.open(root, id: string): (ref ModelContext, string)
{
	m := ref ModelContext(id, root + "/infer/" + id);
	(ok, nil) := sys->stat(m.dir);
	if(id == nil || ok < 0)
		return (nil, sys->sprint("session %s: %r", id));
	return (m, nil);
}

# set sets one parameter: its name, and its value or values.
ModelContext.set(m: self ref ModelContext, l: list of string): string
{
	return post(m.dir + "/ctl", command(l));
}

ModelContext.get(m: self ref ModelContext, file: string): (string, string)
{
	(s, err) := follow(m.dir + "/" + file, 0);
	if(err != nil)
		return (nil, err);
	return s.rest();
}

# put replaces the text of system, chat, grammar, schema or token.
ModelContext.put(m: self ref ModelContext, file, text: string): string
{
	return commit(m.dir + "/" + file, Sys->OTRUNC, array of byte text);
}

ModelContext.system(m: self ref ModelContext, text: string): string
{
	if(text != nil)
		text += "\n";	# the server drops one
	return m.put("system", text);
}

# prompt begins a turn.
ModelContext.prompt(m: self ref ModelContext, text: string): string
{
	return m.promptb(array of byte text);
}

# promptb is prompt for text that a string cannot hold: there are Infernos
# whose strings have only characters of 16 bits.
ModelContext.promptb(m: self ref ModelContext, text: array of byte): string
{
	if(len text == 0)
		return "empty prompt";
	return commit(m.dir + "/prompt", 0, cat(text, array[] of {byte '\n'}));	# the server drops one
}

ModelContext.generate(m: self ref ModelContext): string
{
	return m.set("generate" :: nil);
}

# answer is the text of the turn that runs, or of the last one.
ModelContext.answer(m: self ref ModelContext): (ref Stream, string)
{
	return follow(m.dir + "/out", 0);
}

# tokens are the lines of the file token of that turn.
ModelContext.tokens(m: self ref ModelContext): (ref Stream, string)
{
	return follow(m.dir + "/token", 1);
}

# evaluate begins a turn, and gives all of its answer. With an error comes what
# was made before it.
ModelContext.evaluate(m: self ref ModelContext, text: string): (string, string)
{
	(s, err) := m.stream(text);
	if(err != nil)
		return (nil, err);
	return s.rest();
}

ModelContext.stream(m: self ref ModelContext, text: string): (ref Stream, string)
{
	err := m.prompt(text);
	if(err != nil)
		return (nil, err);
	return m.answer();
}

ModelContext.events(m: self ref ModelContext): (ref Stream, string)
{
	return follow(m.dir + "/event", 1);
}

ModelContext.status(m: self ref ModelContext): (list of Attr, string)
{
	(s, err) := slurp(m.dir + "/status", Timeout);
	if(err != nil)
		return (nil, err);
	return attrs(s);
}

# usage is the tokens of the last turn: of its prompt, of these the ones that
# were not computed anew, and of its answer.
ModelContext.usage(m: self ref ModelContext): (int, int, int, string)
{
	(l, err) := m.status();
	return (int value(l, "prompt_tokens"), int value(l, "cached_tokens"), int value(l, "tokens"), err);
}

ModelContext.cancel(m: self ref ModelContext): string
{
	return m.set("cancel" :: nil);
}

ModelContext.reset(m: self ref ModelContext): string
{
	return m.set("reset" :: nil);
}

# fork makes another session with this one's settings and conversation.
ModelContext.fork(m: self ref ModelContext): (ref ModelContext, string)
{
	root := m.dir[0:len m.dir - len m.id - len "/infer/"];
	(f, err) := ModelContext.new(root);
	if(err != nil)
		return (nil, err);
	err = f.set("fork" :: m.id :: nil);
	if(err != nil){
		f.close();
		return (nil, err);
	}
	return (f, nil);
}

ModelContext.close(m: self ref ModelContext): string
{
	return m.set("close" :: nil);
}

include "llama9file.b";
include "llama9text.b";
