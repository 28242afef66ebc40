implement Windowtest;

# Windowtest checks llama9/window on the display, as its window manager: it gives
# it keys, presses its button, and looks at the colours that it draws. Its
# arguments are the addresses of two servers, and of who signals the first. It
# prints SKIP where this emu has no Tk.

include "sys.m";
	sys: Sys;
	sprint: import sys;
include "draw.m";
	draw: Draw;
	Context, Display, Image, Point, Pointer, Rect, Screen, Wmcontext: import draw;
include "dial.m";
	dialler: Dial;
include "sh.m";
include "tk.m";
include "llama9.m";
	llama9: Llama9;
	Attr, DisNode, ModelContext, Stream: import llama9;

Windowtest: module
{
	init:	fn(nil: ref Draw->Context, argv: list of string);
};

root: con "/n/windowtest";

screen: ref Screen;
window: ref Image;	# which Tk gives coordinates of its own
place: Rect;
client: ref Wmcontext;
came, gone: chan of int;

init(nil: ref Draw->Context, argv: list of string)
{
	sys = load Sys Sys->PATH;
	if((load Tk Tk->PATH) == nil){
		sys->print("SKIP no Tk: %r\n");
		return;
	}
	draw = load Draw Draw->PATH;
	dialler = load Dial Dial->PATH;
	llama9 = load Llama9 Llama9->PATH;
	program := load Command "/dis/llama9/window.dis";
	if(draw == nil || dialler == nil || llama9 == nil || program == nil)
		raise sprint("fail:cannot load all: %r");
	err := llama9->init();
	if(err == nil)
		(nil, err) = DisNode.dial(hd tl argv, root, nil, nil);
	if(err != nil)
		raise "fail:" + err;
	display := Display.allocate(nil);
	if(display == nil)
		raise sprint("fail:display: %r");
	screen = Screen.allocate(display.image, display.color(int 16r777777FF), 0);
	sys->bind("#s", "/chan", Sys->MBEFORE);
	io := sys->file2chan("/chan", "wmctl");
	if(io == nil)
		raise sprint("fail:/chan/wmctl: %r");
	ctxt := ref Context(display, nil, chan of (string, chan of (string, ref Wmcontext)));
	client = ref Wmcontext(chan of int, chan of ref Pointer, chan[4] of string, nil, chan[1] of ref Image, nil, ctxt);
	came = chan[1] of int;
	gone = chan[1] of int;
	spawn manage(io, ctxt);

	before := procs();
	spawn program->init(ctxt, "window" :: "-m" :: root :: "-p" :: "seed 7" :: "-p" :: "ignore_eos on" ::
		"-p" :: "n_predict 10" :: "-s" :: "be kind" :: nil);
	<-came;
	turn();
	lost(hd tl tl tl argv, hd tl tl argv);
	client.ctl <-= "exit";
	<-gone;
	(nil, err) = ModelContext.open(root, "last");
	has("its session is closed", err, "does not exist");
	for(i := 0; i < 4000 && procs() > before; i++)
		sys->sleep(10);
	is("no procs are left", string (procs() <= before), "1");
}

# manage is a window manager for one, in the protocol of wmlib.
manage(io: ref Sys->FileIO, ctxt: ref Context)
{
	for(;;) alt{
	(nil, nil, nil, rc) := <-io.read =>
		if(rc != nil)
			rc <-= (array of byte "1", nil);
	(nil, rc) := <-ctxt.wm =>
		rc <-= (nil, ref *client);	# it puts its descriptor there
	(nil, data, nil, rc) := <-io.write =>
		if(rc == nil){
			gone <-= 1;
			return;
		}
		(n, w) := sys->tokenize(string data, " ");
		if(n >= 7 && hd w == "!reshape" && hd tl w == "."){
			w = tl tl tl w;
			r := Rect((int hd w, int hd tl w), (int hd tl tl w, int hd tl tl tl w));
			place = r.addpt((20, 20));
			window = screen.newwindow(place, Draw->Refbackup, Draw->White);
			client.images <-= window;
		}
		rc <-= (len data, nil);
		if(n == 2 && hd tl w == "kbd"){
			came <-= 1;
			client.ctl <-= "haskbdfocus 1";
		}
	}
}

turn()
{
	is("nothing is shown", sprint("%d %d", coloured(Blue), coloured(Red)), "0 0");
	typed("why is the sky blue\n");
	m := state("done");
	is("its prompt", m.get("prompt").t0, "why is the sky blue");
	is("its system message", m.get("system").t0, "be kind\n");
	is("its parameters", string m.usage().t2, "10");
	until("the prompt is shown", Blue, 1);
	until("and an answer", Black, 1);
	is("and no error", string coloured(Red), "0");

	endless(m);
	typed("and\n");	# too early
	press();
	state("cancelled");
	until("the end is shown", Red, 1);
	m.set("n_predict" :: "10" :: nil);
	typed(" then\n");
	state("done");
	is("the prompt after", m.get("prompt").t0, "and then");
}

# endless begins a turn without an end, and waits until it is seen.
endless(m: ref ModelContext)
{
	black := coloured(Black);
	m.set("n_predict" :: "100000" :: nil);
	m.set("shift" :: "on" :: nil);
	typed("go on\n");
	state("decode");
	until("the answer is shown as it comes", Black, black + 500);
}

# lost loses the server in a turn; another is mounted there then.
lost(host, other: string)
{
	endless(state("done"));
	red := coloured(Red);
	is("KILL", signal(host, "KILL a"), nil);
	until("the loss is shown", Red, red + 100);
	red = coloured(Red);
	typed("and now\n");
	until("and again", Red, red + 100);
	(nil, err) := DisNode.dial(other, root, nil, nil);
	is("mount of another", err, nil);
	typed("and here\n");
	is("the prompt there", state("done").get("prompt").t0, "and here");
}

# state waits until the last session is in a state.
state(want: string): ref ModelContext
{
	(m, err) := ModelContext.open(root, "last");
	got: string;
	for(i := 0; i < 6000 && got != want; i++){
		if(err != nil)
			(m, err) = ModelContext.open(root, "last");
		if(err == nil)
			got = llama9->value(m.status().t0, "state");
		if(got != want)
			sys->sleep(10);
	}
	is("state", got, want);
	return m;
}

typed(s: string)
{
	for(i := 0; i < len s; i++)
		client.kbd <-= s[i];
}

# press presses the button in the corner.
press()
{
	p := place.max.sub((25, 15));
	client.ptr <-= ref Pointer(0, p, sys->millisec());
	client.ptr <-= ref Pointer(1, p, sys->millisec());
	client.ptr <-= ref Pointer(0, p, sys->millisec());
}

Black, Blue, Red: con iota;

# coloured is the number of pixels of a colour in the text.
coloured(colour: int): int
{
	r := Rect(window.r.min.add((20, 25)), window.r.max.sub((10, 30)));
	rgb := window.display.newimage(r, Draw->RGB24, 0, Draw->White);
	rgb.draw(r, window, nil, r.min);
	b := array[r.dx() * r.dy() * 3] of byte;
	if(rgb.readpixels(r, b) != len b)
		raise sprint("fail:readpixels: %r");
	n := 0;
	for(j := 0; j < len b; j += 3){
		dark := int b[j+1] < 80;
		blue := int b[j] > 150;
		red := int b[j+2] > 150;
		case colour {
		Black =>
			n += dark && !blue && !red;
		Blue =>
			n += dark && blue && !red;
		Red =>
			n += dark && red && !blue;
		}
	}
	return n;
}

# until waits for so many pixels of a colour.
until(what: string, colour, least: int)
{
	for(i := 0; i < 1000 && coloured(colour) < least; i++)
		sys->sleep(20);
	is(what, string (coloured(colour) >= least), "1");
}

signal(host, line: string): string
{
	c := dialler->dial(host, nil);
	if(c == nil || sys->fprint(c.dfd, "%s\n", line) < 0)
		return sprint("%s: %r", host);
	b := array[256] of byte;
	n := sys->read(c.dfd, b, len b);
	if(n < 0)
		return sprint("%s: %r", host);
	if(string b[0:n] == "done\n")
		return nil;
	return "the host says " + string b[0:n];
}

is(what, got, want: string)
{
	if(got == want)
		sys->print("ok %s\n", what);
	else
		sys->print("WRONG %s: got %q, want %q\n", what, got, want);
}

has(what, err, word: string)
{
	for(i := 0; i + len word <= len err; i++)
		if(err[i:i+len word] == word){
			sys->print("ok %s\n", what);
			return;
		}
	sys->print("WRONG %s: got %q, want something with %q\n", what, err, word);
}

procs(): int
{
	fd := sys->open("/prog", Sys->OREAD);
	n := 0;
	while((t := sys->dirread(fd).t0) > 0)
		n += t;
	return n;
}
