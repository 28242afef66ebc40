# Included by the commands that ask: a session with parameters, and its answers.

# begin loads the module.
begin()
{
	llama9 = load Llama9 Llama9->PATH;
	if(llama9 == nil)
		fail(sys->sprint("cannot load %s: %r", Llama9->PATH));
	err := llama9->init();
	if(err != nil)
		fail(err);
}

# session makes a session; params are 'name value', the last first.
session(root, system: string, params: list of string): (ref ModelContext, string)
{
	(m, err) := ModelContext.new(root);
	if(err != nil)
		return (nil, err);
	# who interrupts it wants no more
	err = m.set("onclose" :: "cancel" :: nil);
	l: list of string;
	for(; params != nil; params = tl params)
		l = hd params :: l;
	for(; err == nil && l != nil; l = tl l)
		err = parameter(m, hd l);
	if(err == nil && system != nil)
		err = m.system(system);
	if(err != nil){
		m.close();
		return (nil, err);
	}
	return (m, nil);
}

parameter(m: ref ModelContext, line: string): string
{
	(words, err) := llama9->fields(line);
	if(err == nil)
		err = m.set(words);
	return err;
}

# say begins a turn, and shows the answer as it is made.
say(m: ref ModelContext, prompt: array of byte): string
{
	err := m.promptb(prompt);
	if(err != nil)
		return err;
	s: ref Stream;
	(s, err) = m.answer();
	if(err == nil)
		err = copy(s);
	return err;
}

# copy writes what comes, and ends its last line.
copy(s: ref Stream): string
{
	err: string;
	stdout := sys->fildes(1);
	nl := 1;
	for(;;){
		b: array of byte;
		(b, err) = <-s.c;
		if(b == nil)
			break;
		if(sys->write(stdout, b, len b) != len b)
			return sys->sprint("write: %r");
		nl = b[len b - 1] == byte '\n';
	}
	if(!nl)
		sys->fprint(stdout, "\n");
	return err;
}
