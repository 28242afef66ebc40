# Included by llama9.b: the text forms of llama9(4).

# attrs are those of a line of attr=value.
attrs(s: string): (list of Attr, string)
{
	(w, err) := fields(s);
	if(err != nil)
		return (nil, err);
	r: list of Attr;
	for(; w != nil; w = tl w){
		f := hd w;
		for(i := 0; i < len f; i++)
			if(f[i] == '=')
				break;
		if(i == len f)
			return (nil, f + ": not attr=value");
		r = Attr(f[0:i], f[i+1:]) :: r;
	}
	l: list of Attr;
	for(; r != nil; r = tl r)
		l = hd r :: l;
	return (l, nil);
}

value(l: list of Attr, name: string): string
{
	for(; l != nil; l = tl l)
		if((hd l).name == name)
			return (hd l).value;
	return nil;
}

# fields are the words of a line, unquoted: a value after = can be quoted too.
fields(s: string): (list of string, string)
{
	(w, err) := bytefields(array of byte s);
	r: list of string;
	for(; w != nil; w = tl w)
		r = string hd w :: r;
	l: list of string;
	for(; r != nil; r = tl r)
		l = hd r :: l;
	return (l, err);
}

# bytefields are fields that need not be UTF-8, as the texts of tokens.
bytefields(s: array of byte): (list of array of byte, string)
{
	r: list of array of byte;
	for(i := 0; i < len s;){
		if(s[i] == byte ' ' || s[i] == byte '\n'){
			i++;
			continue;
		}
		for(b := i; i < len s && s[i] != byte ' ' && s[i] != byte '\n' && s[i] != byte '"'; i++)
			;
		w := s[b:i];
		if(i < len s && s[i] == byte '"'){
			q: array of byte;
			err: string;
			(q, i, err) = unquote(s, i+1);
			if(err != nil)
				return (nil, err);
			w = cat(w, q);
		}
		r = w :: r;
	}
	l: list of array of byte;
	for(; r != nil; r = tl r)
		l = hd r :: l;
	return (l, nil);
}

# unquote reads a string literal of Go from its first character to after its
# last quote.
unquote(s: array of byte, i: int): (array of byte, int, string)
{
	r := array[len s] of byte;
	n := 0;
	for(; i < len s; i++){
		c := int s[i];
		if(c == '"')
			return (r[0:n], i+1, nil);
		if(c != '\\'){
			r[n++] = byte c;
			continue;
		}
		if(++i == len s)
			break;
		digits := 0;
		case c = int s[i] {
		'a' =>	c = 7;
		'b' =>	c = '\b';
		'f' =>	c = 12;
		'n' =>	c = '\n';
		'r' =>	c = '\r';
		't' =>	c = '\t';
		'v' =>	c = 11;
		'x' =>	digits = 2;
		'u' =>	digits = 4;
		'U' =>	digits = 8;
		'\\' or '"' or '\'' =>	;
		* =>
			return (nil, i, string s + ": bad quoting");
		}
		if(i + digits >= len s)
			break;
		v := 0;
		for(j := i+1; j <= i+digits; j++){
			d := hex(int s[j]);
			if(d < 0)
				return (nil, i, string s + ": bad quoting");
			v = v*16 + d;
		}
		if(digits > 2){
			u: string;
			u[0] = v;
			b := array of byte u;
			r[n:] = b;	# never longer than its escape
			n += len b;
		}else if(digits == 2)
			r[n++] = byte v;
		else
			r[n++] = byte c;
		i += digits;
	}
	return (nil, i, string s + ": a quote is open");
}

hex(c: int): int
{
	if(c >= '0' && c <= '9')
		return c - '0';
	if(c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if(c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

# cat is a copy, always.
cat(a, b: array of byte): array of byte
{
	r := array[len a + len b] of byte;
	r[0:] = a;
	r[len a:] = b;
	return r;
}

# quote makes a string one field.
quote(s: string): string
{
	special := s == nil;
	q := "\"";
	for(i := 0; i < len s; i++){
		c := s[i];
		case c {
		'"' or '\\' =>
			q += sys->sprint("\\%c", c);
			special = 1;
		'\n' =>
			q += "\\n";
			special = 1;
		* =>
			if(c < ' ' || c >= 16r7f && c < 16ra0 || c >= 16rd800 && c < 16re000 || c > 16r10ffff){
				q += sys->sprint("\\u%.4x", c & 16rffff);
				special = 1;
			}else{
				q[len q] = c;
				if(c == ' ' || c == '\'' || c == '`' || c == '=')
					special = 1;
			}
		}
	}
	if(special)
		return q + "\"";
	return s;
}

# command is the line of a ctl that these words make.
command(l: list of string): string
{
	s := "";
	for(; l != nil; l = tl l){
		if(s != nil)
			s += " ";
		s += quote(hd l);
	}
	return s;
}

line(s: string): string
{
	if(s != nil && s[len s - 1] == '\n')
		return s[0:len s - 1];
	return s;
}
