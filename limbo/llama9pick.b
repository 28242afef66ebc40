# Included by llama9coord.b: which node gets a turn, and which are up.

RoundRobin: con "round-robin";
LeastConnections: con "least-connections";
Random: con "random";
WeightedRandom: con "weighted-random";

known(strategy: string): string
{
	case strategy {
	RoundRobin or LeastConnections or Random or WeightedRandom =>
		return nil;
	}
	return sys->sprint("%s: not %s, %s, %s, %s", llama9->quote(strategy), RoundRobin, LeastConnections, Random, WeightedRandom);
}

# choose gives a node that is up and none of but; -1 and why there will be none;
# or -1 and nil while one may come up.
choose(s: ref Set, but: list of string): (int, string)
{
	up := array[len s.nodes] of int;
	n := 0;
	all := 0;
	fresh := 0;
	err := "no nodes";
	for(i := 0; i < len s.nodes; i++){
		m := s.nodes[i].m;
		if(among(m.name, but))
			continue;
		case m.state {
		"up" =>
			up[n++] = i;
			all += m.weight;
		"new" =>
			fresh++;
		* =>
			err = m.name + " is down: " + m.error;
		}
	}
	if(n == 0){
		if(fresh > 0)
			return (-1, nil);
		return (-1, err);
	}
	case s.strategy {
	Random =>
		return (up[below(n)], nil);
	WeightedRandom =>
		w := below(all);
		for(i = 0; i < n-1; i++)
			if((w -= s.nodes[up[i]].m.weight) < 0)
				break;
		return (up[i], nil);
	LeastConnections =>
		# busy/weight is least, compared without a division
		b := up[0];
		for(i = 1; i < n; i++){
			x := s.nodes[up[i]].m;
			y := s.nodes[b].m;
			if(x.busy * y.weight < y.busy * x.weight)
				b = up[i];
		}
		return (b, nil);
	}
	for(i = 0; i < n-1; i++)
		if(up[i] > s.last)
			break;
	if(up[i] <= s.last)
		i = 0;
	s.last = up[i];
	return (up[i], nil);
}

# below is a random number from 0 to n-1. There are Infernos whose rand gives
# negative ones too.
below(n: int): int
{
	r := rand->rand(n);
	if(r < 0)
		return -r;
	return r;
}

among(s: string, l: list of string): int
{
	for(; l != nil; l = tl l)
		if(hd l == s)
			return 1;
	return 0;
}

# health follows the events of a node: they end when it hangs up, or is silent
# and does not answer either. Then it is dialled until it is there again.
health(name: string, n: ref DisNode, ask: chan of ref Request, stop, kick: chan of int)
{
	wait := Soon;
	for(;;){
		(s, err) := n.events();
		if(err == nil){
			if(!seen(ask, stop, name, n, nil))
				return;
			wait = Soon;
			while(err == nil) alt{
			(line, why) := <-s.c =>
				if(line == nil){
					err = why;
					if(err == nil)
						err = "hung up";
				}
			<-kick =>
				err = "lost a turn";
			<-stop =>
				return;
			}
			s = nil;
		}
		do{
			if(!seen(ask, stop, name, n, err))
				return;
			t := chan[1] of int;
			timer := llama9->after(wait, t);
			alt{
			<-t =>
				;
			<-stop =>
				llama9->kill(timer);
				return;
			}
			wait *= 2;
			if(wait > Late)
				wait = Late;
			if(n.addr != nil)
				err = n.redial();
			else
				err = n.alive(Llama9->Timeout);
		}while(err != nil);
	}
}

# seen tells serve how a node is; 0 is that nobody wants to know.
seen(ask: chan of ref Request, stop: chan of int, name: string, n: ref DisNode, err: string): int
{
	alt{
	ask <-= ref Request(Seen, name, n, 0, err, nil, nil) =>
		return 1;
	<-stop =>
		return 0;
	}
}
