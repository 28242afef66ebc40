implement Window;

# llama9/window: a window that asks. See llama9(2).

include "sys.m";
	sys: Sys;
include "draw.m";
include "arg.m";
include "tk.m";
	tk: Tk;
include "tkclient.m";
	tkclient: Tkclient;
include "llama9.m";
	llama9: Llama9;
	ModelContext, Stream: import llama9;

Window: module
{
	init:	fn(ctxt: ref Draw->Context, argv: list of string);
};

layout := array[] of {
	"frame .a; frame .q",
	"text .a.t -state disabled -wrap word -width 13c -height 8c -bg white -yscrollcommand {.a.s set}",
	".a.t tag configure asked -fg #0000cc; .a.t tag configure error -fg #cc0000",
	"entry .q.e -bg white; bind .q.e <Key-\n> {send cmd ask}",
	"button .q.stop -text Stop -state disabled -command {send cmd stop}",
	"scrollbar .a.s -command {.a.t yview}; pack .a.s -side left -fill y; pack .a.t -fill both -expand 1",
	"pack .q.stop -side right; pack .q.e -fill x -expand 1",
	"pack .q -side bottom -fill x; pack .a -fill both -expand 1; pack propagate . 0; focus .q.e; update",
};

context: ref ModelContext;	# the proc that asks makes it

init(ctxt: ref Draw->Context, argv: list of string)
{
	sys = load Sys Sys->PATH;
	arg := load Arg Arg->PATH;
	if(arg == nil)
		fail(sys->sprint("cannot load %s: %r", Arg->PATH));
	tk = load Tk Tk->PATH;
	tkclient = load Tkclient Tkclient->PATH;
	if(tk == nil || tkclient == nil)
		fail(sys->sprint("cannot load %s or %s: %r", Tk->PATH, Tkclient->PATH));
	begin();

	arg->init(argv);
	arg->setusage("llama9/window [-m dir] [-p 'name value']... [-s system]");
	root := "/n/llama";
	system: string;
	params: list of string;
	while((c := arg->opt()) != 0)
		case c {
		'm' =>	root = arg->earg();
		'p' =>	params = arg->earg() :: params;
		's' =>	system = arg->earg();
		* =>	arg->usage();
		}
	if(arg->argv() != nil)
		arg->usage();

	sys->pctl(Sys->NEWPGRP, nil);
	tkclient->init();
	if(ctxt == nil)
		ctxt = tkclient->makedrawcontext();
	(t, title) := tkclient->toplevel(ctxt, "", "llama9 " + root, Tkclient->Appl);
	cmd := chan of string;
	tk->namechan(t, cmd, "cmd");
	for(i := 0; i < len layout; i++)
		tk->cmd(t, layout[i]);
	tkclient->onscreen(t, nil);
	tkclient->startinput(t, "kbd" :: "ptr" :: nil);
	ask := chan of string;
	said := chan of (string, string);
	spawn asker(root, system, params, ask, said);
	for(;;) alt{
	k := <-t.ctxt.kbd =>
		tk->keyboard(t, k);
	p := <-t.ctxt.ptr =>
		tk->pointer(t, *p);
	s := <-t.ctxt.ctl or
	s = <-t.wreq or
	s = <-title =>
		if(s == "exit"){
			tk->cmd(t, ". unmap");
			if(context != nil)
				context.close();
		}
		tkclient->wmctl(t, s);
	s := <-cmd =>
		if(s == "stop" && context != nil)
			spawn stop(context, said);
		prompt := tk->cmd(t, ".q.e get");
		if(s == "stop" || prompt == nil || tk->cmd(t, ".q.stop cget -state") == "normal")
			break;
		tk->cmd(t, ".q.e delete 0 end; .q.stop configure -state normal");
		show(t, prompt, "asked");
		ask <-= prompt;
	(text, tag) := <-said =>
		show(t, text, tag);
		if(tag == "end")
			tk->cmd(t, ".q.stop configure -state disabled; focus .q.e; update");
	}
}

# show adds a text at the end, with a tag. A NUL would end it for Tk.
show(t: ref Tk->Toplevel, text, tag: string)
{
	for(i := 0; i < len text; i++)
		if(text[i] == 0)
			text[i] = 16rfffd;
	tk->cmd(t, ".a.t insert end " + tk->quote(text) + " " + tag);
	tk->cmd(t, ".a.t see end; update");
}

# asker asks, so that the window need not wait.
asker(root, system: string, params: list of string, ask: chan of string, said: chan of (string, string))
{
	for(;;){
		prompt := <-ask;
		s: ref Stream;
		err: string;
		if(context == nil)
			(context, err) = session(root, system, params);
		if(err == nil)
			(s, err) = context.stream(prompt);
		for(text := "\n"; err == nil && text != nil; (text, err) = s.next())
			said <-= (text, "answer");
		if(err != nil)
			said <-= ("\n" + err, "error");
		if(err != nil && context != nil && context.status().t1 != nil)
			context = nil;	# it is lost: the next prompt gets another
		said <-= ("\n", "end");
	}
}

stop(m: ref ModelContext, said: chan of (string, string))
{
	if((err := m.cancel()) != nil)
		said <-= ("\n" + err, "error");
}

fail(err: string)
{
	sys->fprint(sys->fildes(2), "llama9/window: %s\n", err);
	raise "fail:" + err;
}

include "talk.b";
