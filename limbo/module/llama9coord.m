# Many servers of llama9(4) as one, for Limbo programs. See llama9(2).
# Include sys.m and llama9.m before it.

Llama9coord: module
{
	PATH:	con "/dis/lib/llama9coord.dis";

	# What is asked: a prompt, perhaps a system message, and parameters as
	# ModelContext.set takes them.
	Turn: adt
	{
		prompt:	array of byte;
		system:	string;
		settings:	list of list of string;
	};

	# What is known of a node.
	Member: adt
	{
		name:	string;
		addr:	string;
		state:	string;	# new, up, down; of a coordinator also slow, draining
		weight:	int;
		busy:	int;		# turns that it has from here
		served:	int;		# turns that it was ever given
		error:	string;
	};

	# A set of nodes: of its own, or those of a coordinator that is mounted.
	NetworkCoordinator: adt
	{
		root:	string;
		life:	ref Sys->FD;
		ask:	chan of ref Request;

		new:	fn(strategy: string): (ref NetworkCoordinator, string);
		mounted:	fn(root: string): (ref NetworkCoordinator, string);
		add:	fn(c: self ref NetworkCoordinator, name: string, n: ref Llama9->DisNode, weight: int): string;
		remove:	fn(c: self ref NetworkCoordinator, name: string): string;
		balance:	fn(c: self ref NetworkCoordinator, strategy: string): string;
		pause:	fn(c: self ref NetworkCoordinator): string;
		resume:	fn(c: self ref NetworkCoordinator): string;
		nodes:	fn(c: self ref NetworkCoordinator): (list of ref Member, string);
		dispatch:	fn(c: self ref NetworkCoordinator, t: ref Turn): (ref Llama9->Stream, string);
	};

	# Between the procs of a NetworkCoordinator; of no use to others.
	Request: adt
	{
		op:	int;
		name:	string;
		node:	ref Llama9->DisNode;
		number:	int;
		text:	string;
		but:	list of string;
		reply:	chan of ref Reply;
	};

	Reply: adt
	{
		name:	string;
		node:	ref Llama9->DisNode;
		members:	list of ref Member;
		err:	string;
	};

	init:	fn(): string;
};
