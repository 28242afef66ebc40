# Language models served as llama9(4), for Limbo programs. See llama9(2).
# Include sys.m before it.
#
# A result is (value, string) or string; nil for the string is success.

Llama9: module
{
	PATH:	con "/dis/lib/llama9.dis";

	Timeout:	con 10000;	# milliseconds that a server may take to answer

	Attr: adt
	{
		name:	string;
		value:	string;
	};

	# What comes while it is made: pieces of an answer, or lines of events.
	# The procs behind it end when the last reference to it goes: keep the
	# Stream as long as its channel is read.
	Stream: adt
	{
		c:	chan of (array of byte, string);	# a piece; at the end (nil, nil) or (nil, why), again and again
		life:	ref Sys->FD;
		held:	array of byte;	# of a character that next has not all of

		next:	fn(s: self ref Stream): (string, string);
		rest:	fn(s: self ref Stream): (string, string);
	};

	# One server: a node, or a coordinator.
	DisNode: adt
	{
		addr:	string;
		dir:	string;
		keyfile:	string;
		alg:	string;

		dial:	fn(addr, dir, keyfile, alg: string): (ref DisNode, string);
		at:	fn(dir: string): (ref DisNode, string);
		redial:	fn(n: self ref DisNode): string;
		unmount:	fn(n: self ref DisNode): string;
		alive:	fn(n: self ref DisNode, ms: int): string;
		status:	fn(n: self ref DisNode): (list of Attr, string);
		models:	fn(n: self ref DisNode): (list of list of Attr, string);
		ctl:	fn(n: self ref DisNode, line: list of string): string;
		loadmodel:	fn(n: self ref DisNode, name, file: string, options: list of Attr): string;
		unloadmodel:	fn(n: self ref DisNode, name: string): string;
		events:	fn(n: self ref DisNode): (ref Stream, string);
	};

	# One session.
	ModelContext: adt
	{
		id:	string;
		dir:	string;

		new:	fn(root: string): (ref ModelContext, string);
		open:	fn(root, id: string): (ref ModelContext, string);
		set:	fn(m: self ref ModelContext, line: list of string): string;
		get:	fn(m: self ref ModelContext, file: string): (string, string);
		put:	fn(m: self ref ModelContext, file, text: string): string;
		system:	fn(m: self ref ModelContext, text: string): string;
		prompt:	fn(m: self ref ModelContext, text: string): string;
		promptb:	fn(m: self ref ModelContext, text: array of byte): string;
		generate:	fn(m: self ref ModelContext): string;
		answer:	fn(m: self ref ModelContext): (ref Stream, string);
		tokens:	fn(m: self ref ModelContext): (ref Stream, string);
		evaluate:	fn(m: self ref ModelContext, text: string): (string, string);
		stream:	fn(m: self ref ModelContext, text: string): (ref Stream, string);
		events:	fn(m: self ref ModelContext): (ref Stream, string);
		status:	fn(m: self ref ModelContext): (list of Attr, string);
		usage:	fn(m: self ref ModelContext): (int, int, int, string);
		cancel:	fn(m: self ref ModelContext): string;
		reset:	fn(m: self ref ModelContext): string;
		fork:	fn(m: self ref ModelContext): (ref ModelContext, string);
		close:	fn(m: self ref ModelContext): string;
	};

	init:	fn(): string;

	# the text forms of llama9(4)
	attrs:	fn(line: string): (list of Attr, string);
	value:	fn(l: list of Attr, name: string): string;
	fields:	fn(line: string): (list of string, string);
	bytefields:	fn(line: array of byte): (list of array of byte, string);
	quote:	fn(s: string): string;

	# for other modules that make Streams
	lifeline:	fn(): (ref Sys->FD, ref Sys->FD, string);
	after:	fn(ms: int, c: chan of int): int;
	kill:	fn(pid: int): string;
	cat:	fn(a, b: array of byte): array of byte;
};
