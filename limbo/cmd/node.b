implement Node;

# llama9/node: mount servers, look at them, drain them. See llama9(2).

include "sys.m";
	sys: Sys;
include "draw.m";
include "arg.m";
include "llama9.m";
	llama9: Llama9;
	Attr, DisNode, Stream: import llama9;

Node: module
{
	init:	fn(nil: ref Draw->Context, argv: list of string);
};

init(nil: ref Draw->Context, argv: list of string)
{
	sys = load Sys Sys->PATH;
	arg := load Arg Arg->PATH;
	if(arg == nil)
		fail(sys->sprint("cannot load %s: %r", Arg->PATH));
	llama9 = load Llama9 Llama9->PATH;
	if(llama9 == nil)
		fail(sys->sprint("cannot load %s: %r", Llama9->PATH));
	err := llama9->init();
	if(err != nil)
		fail(err);

	arg->init(argv);
	arg->setusage("llama9/node [-C alg] [-k keyfile] [-m dir] verb [arg...]");
	root := "/n/llama";
	keyfile, alg: string;
	while((c := arg->opt()) != 0)
		case c {
		'C' =>	alg = arg->earg();
		'k' =>	keyfile = arg->earg();
		'm' =>	root = arg->earg();
		* =>	arg->usage();
		}
	argv = arg->argv();
	if(argv == nil)
		arg->usage();
	verb := hd argv;
	argv = tl argv;
	if(verb == "mount"){
		if(len argv != 1)
			fail("mount addr");
		(nil, err) = DisNode.dial(hd argv, root, keyfile, alg);
	}else{
		n: ref DisNode;
		(n, err) = DisNode.at(root);
		if(err == nil)
			err = obey(n, verb, argv);
	}
	if(err != nil)
		fail(err);
}

obey(n: ref DisNode, verb: string, argv: list of string): string
{
	case verb {
	"unmount" =>
		return n.unmount();
	"list" =>
		return list1(n);
	"drain" or "undrain" =>
		# a coordinator wants to know which node
		return n.ctl(verb :: argv);
	"load" =>
		if(len argv < 2)
			return "load name file [option=value...]";
		opts: list of Attr;
		for(l := tl tl argv; l != nil; l = tl l){
			(a, err) := llama9->attrs(hd l);
			if(err != nil)
				return err;
			opts = hd a :: opts;
		}
		return n.loadmodel(hd argv, hd tl argv, opts);
	"unload" =>
		if(len argv != 1)
			return "unload name";
		return n.unloadmodel(hd argv);
	"watch" =>
		(s, err) := n.events();
		if(err != nil)
			return err;
		for(;;){
			line: string;
			(line, err) = s.next();
			if(line == nil)
				return err;
			sys->print("%s\n", line);
		}
	}
	return verb + ": not mount, unmount, list, drain, undrain, load, unload, watch";
}

# list1 shows a server, its models, and the nodes of a coordinator.
list1(n: ref DisNode): string
{
	(a, err) := n.status();
	if(err != nil)
		return err;
	show(n.dir, "state" :: "slots" :: "busy" :: "queue" :: "tokens/s" :: nil, a);
	l: list of list of Attr;
	(l, err) = n.models();
	for(; l != nil; l = tl l)
		show("model " + llama9->value(hd l, "name"), "state" :: "node" :: "n_ctx" :: "error" :: nil, hd l);
	if(err != nil)
		return err;
	fd := sys->open(n.dir + "/node/index", Sys->OREAD);
	if(fd == nil)
		return nil;	# no coordinator
	s := "";
	buf := array[Sys->ATOMICIO] of byte;
	while((k := sys->read(fd, buf, len buf)) > 0)
		s += string buf[0:k];
	if(k < 0)
		return sys->sprint("%s/node/index: %r", n.dir);
	(nil, w) := sys->tokenize(s, "\n");
	for(; w != nil; w = tl w){
		(a, err) = llama9->attrs(hd w);
		if(err != nil)
			return err;
		show("node " + llama9->value(a, "name"), "addr" :: "state" :: "busy" :: "slots" :: "error" :: nil, a);
	}
	return nil;
}

# show prints those attributes that have a value.
show(head: string, names: list of string, a: list of Attr)
{
	for(; names != nil; names = tl names){
		v := llama9->value(a, hd names);
		if(v != nil)
			head += " " + hd names + "=" + llama9->quote(v);
	}
	sys->print("%s\n", head);
}

fail(err: string)
{
	sys->fprint(sys->fildes(2), "llama9/node: %s\n", err);
	raise "fail:" + err;
}
