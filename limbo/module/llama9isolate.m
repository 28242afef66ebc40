# Compartments for programs that are not trusted. See llama9(2).
# Include sys.m before it.

# What a program must be to run in one.
Llama9worker: module
{
	run:	fn(in, out: chan of array of byte, args: list of string): string;
};

Llama9isolate: module
{
	PATH:	con "/dis/lib/llama9isolate.dis";

	# A worker, which is restarted when it dies. It ends with the last
	# reference to its Isolate.
	Isolate: adt
	{
		in:	chan of array of byte;
		out:	chan of array of byte;
		died:	chan of (string, int);	# why, each time; and 1 when it is over
		life:	ref Sys->FD;

		start:	fn(worker: string, files: list of string, dir: string, args: list of string): (ref Isolate, string);
	};

	init:	fn(): string;
};
