# Included by llama9coord.b: one turn, on as many nodes as it takes. What a node
# made is kept as token ids, so that another can go on from there.

Tries: con 3;

Another: con "another model than the turn began with";

# What is kept of a turn.
Kept: adt
{
	ids:	string;
	seed:	string;
	model:	string;		# whose ids they are
	loose:	int;		# has text that no token has
	out:	chan of (array of byte, string);
	gone:	chan of int;
	over:	int;		# nobody wants it
};

# how a node's part of a turn ended
Done, Failed, Refused, Lost, Dropped: con iota;

# dispatch begins a turn on the node that is picked for it. When that is lost
# the Stream goes on from another, without a seam.
NetworkCoordinator.dispatch(c: self ref NetworkCoordinator, t: ref Turn): (ref Stream, string)
{
	if(len t.prompt == 0)
		return (nil, "empty prompt");
	(life, end, err) := llama9->lifeline();
	if(err != nil)
		return (nil, err);
	k := ref Kept(nil, nil, nil, 0, chan of (array of byte, string), chan of int, 0);
	spawn watch(end, k.gone);
	spawn run(c, t, k);
	return (ref Stream(k.out, life, nil), nil);
}

run(c: ref NetworkCoordinator, t: ref Turn, k: ref Kept)
{
	err := course(c, t, k);
	c = nil;	# the set may end while somebody reads the end
	while(!k.over && give(k, nil, err))
		;
}

give(k: ref Kept, b: array of byte, err: string): int
{
	alt{
	k.out <-= (b, err) =>
		return 1;
	<-k.gone =>
		k.over = 1;
		return 0;
	}
}

course(c: ref NetworkCoordinator, t: ref Turn, k: ref Kept): string
{
	if(c.root != nil)
		return part(ref DisNode(nil, c.root, nil, nil), t, k).t1;
	but: list of string;
	lost := 0;
	before: string;
	for(;;){
		r := ref Request(Take, nil, nil, 0, nil, but, chan[1] of ref Reply);
		c.ask <-= r;
		p: ref Reply;
		alt{
		p = <-r.reply =>
			;
		<-k.gone =>
			r.op = Forget;
			c.ask <-= r;
			k.over = 1;
			return nil;
		}
		if(p.err != nil){
			if(before != nil)
				return before;
			return p.err;
		}
		(how, err) := part(p.node, t, k);
		why: string;
		if(how == Lost)
			why = err;
		c.ask <-= ref Request(Give, p.name, nil, 0, why, nil, nil);
		case how {
		Done or Failed or Dropped =>
			return err;
		Lost =>
			if(++lost == Tries)
				return sys->sprint("%d nodes were lost, the last: %s", lost, err);
			if(k.loose)
				return err + ": its text cannot be gone on from";
		}
		before = p.name + ": " + err;
		but = p.name :: but;
	}
}

# part is the part of a turn that node n makes.
part(n: ref DisNode, t: ref Turn, k: ref Kept): (int, string)
{
	(m, err) := ModelContext.new(n.dir);
	if(err != nil)
		return blame(n, err);
	err = prepare(n, m, t, k);
	if(err == nil)
		err = m.promptb(t.prompt);
	a: list of Attr;
	if(err == nil)
		(a, err) = m.status();
	s: ref Stream;
	if(err == nil)
		(s, err) = m.tokens();
	if(err != nil){
		how: int;
		(how, err) = blame(n, err);
		if(how != Lost)
			m.close();
		return (how, err);
	}
	k.seed = llama9->value(a, "seed");
	for(;;) alt{
	(line, why) := <-s.c =>
		if(line == nil && why == nil){
			m.close();
			return (Done, nil);
		}
		if(line == nil){
			how: int;
			(how, err) = blame(n, why);
			if(how == Refused)	# it had begun: the turn's own fault
				how = Failed;
			if(how != Lost)
				m.close();
			return (how, err);
		}
		(f, bad) := llama9->bytefields(line);
		if(bad != nil || len f < 3){
			m.close();
			return (Failed, "token: " + string line);
		}
		id := string hd f;
		if(id == "-1")
			k.loose = 1;
		else
			k.ids += id + " ";
		text := hd tl tl f;
		if(len text > 0 && !give(k, text, nil)){
			m.close();
			return (Dropped, nil);
		}
	<-k.gone =>
		k.over = 1;
		m.close();
		return (Dropped, nil);
	}
}

# prepare makes session m ready for the prompt.
prepare(n: ref DisNode, m: ref ModelContext, t: ref Turn, k: ref Kept): string
{
	err := m.set("onclose" :: "cancel" :: nil);
	model: string;
	for(l := t.settings; err == nil && l != nil; l = tl l){
		err = m.set(hd l);
		if(len hd l == 2 && hd hd l == "model")
			model = hd tl hd l;
	}
	if(err == nil && t.system != nil)
		err = m.system(t.system);
	if(err != nil)
		return err;
	id: string;
	(id, err) = identity(n, model);
	if(err != nil)
		return err;
	if(k.ids == nil){
		k.model = id;
		return nil;
	}
	if(id != k.model)
		return Another;
	err = m.set("seed" :: k.seed :: nil);
	if(err == nil)
		err = m.put("token", k.ids);
	return err;
}

# identity is what two models have in common that make the same of the same
# token ids.
identity(n: ref DisNode, model: string): (string, string)
{
	(l, err) := n.models();
	if(err != nil)
		return (nil, err);
	for(; l != nil; l = tl l){
		a := hd l;
		if(model != nil && llama9->value(a, "name") != model)
			continue;
		return (llama9->value(a, "digest") + " " + llama9->value(a, "arch") + " " + llama9->value(a, "parameters")
			+ " " + llama9->value(a, "quantization"), nil);
	}
	return (nil, model + ": no such model");
}

# blame says whose fault an error is.
blame(n: ref DisNode, err: string): (int, string)
{
	why := n.alive(Llama9->Timeout);
	if(why != nil)
		return (Lost, why);
	if(err == Another || has(err, "draining") || has(err, "queue full"))
		return (Refused, err);
	return (Failed, err);
}

has(s, t: string): int
{
	for(i := 0; i + len t <= len s; i++)
		if(s[i:i+len t] == t)
			return 1;
	return 0;
}
