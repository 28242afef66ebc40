implement Gateway;

# llama9/gateway: serves a mounted server to who has a key, in the protocol that
# mount(1) speaks without -A. See llama9(2).

include "sys.m";
	sys: Sys;
include "draw.m";
include "arg.m";
include "sh.m";
include "llama9.m";
	llama9: Llama9;
	DisNode: import llama9;

Gateway: module
{
	init:	fn(ctxt: ref Draw->Context, argv: list of string);
};

Styxlisten: con "/dis/styxlisten.dis";

init(ctxt: ref Draw->Context, argv: list of string)
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
	arg->setusage("llama9/gateway [-a alg]... [-k keyfile] [-m dir] listen [addr]");
	root := "/n/llama";
	opts: list of string;
	while((c := arg->opt()) != 0)
		case c {
		'a' =>	opts = "-a" :: arg->earg() :: opts;
		'k' =>	opts = "-k" :: arg->earg() :: opts;
		'm' =>	root = arg->earg();
		* =>	arg->usage();
		}
	argv = arg->argv();
	if(len argv != 1 && len argv != 2)
		arg->usage();
	arg = nil;
	if(len argv == 2)
		(nil, err) = DisNode.dial(hd tl argv, root, nil, nil);
	else
		(nil, err) = DisNode.at(root);
	if(err != nil)
		fail(err);

	listen := load Command Styxlisten;
	if(listen == nil)
		fail(sys->sprint("cannot load %s: %r", Styxlisten));
	cmd := hd argv :: "export" :: root :: nil;
	for(; opts != nil; opts = tl tl opts)
		cmd = hd opts :: hd tl opts :: cmd;
	listen->init(ctxt, "styxlisten" :: cmd);
}

fail(err: string)
{
	sys->fprint(sys->fildes(2), "llama9/gateway: %s\n", err);
	raise "fail:" + err;
}
