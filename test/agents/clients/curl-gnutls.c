/* Sends 150,000 bytes and asks for 200,000 with the libcurl that it is linked to. The few declarations that it needs are
 * here: Debian has one -dev package for each build of libcurl, and they exclude each other. */
#include <stdio.h>
#include <string.h>

void *curl_easy_init(void);
int curl_easy_setopt(void *, int, ...);
int curl_easy_perform(void *);
void curl_easy_cleanup(void *);
enum { WRITEDATA = 10001, URL = 10002, POSTFIELDS = 10015, WRITEFUNCTION = 20011, POSTFIELDSIZE = 60, HTTPGET = 80 };

static size_t count(char *data, size_t size, size_t n, void *length)
{
	(void)data;
	*(size_t *)length += size * n;
	return size * n;
}

int main(void)
{
	static char body[150000];
	void *curl = curl_easy_init();
	size_t got = 0;

	memset(body, 'b', sizeof(body));
	curl_easy_setopt(curl, WRITEFUNCTION, count);
	curl_easy_setopt(curl, WRITEDATA, &got);
	curl_easy_setopt(curl, URL, "https://model.example/bytes");
	curl_easy_setopt(curl, POSTFIELDSIZE, (long)sizeof(body));
	curl_easy_setopt(curl, POSTFIELDS, body);
	if (curl_easy_perform(curl) != 0)
		return 1;
	got = 0;
	curl_easy_setopt(curl, HTTPGET, 1L);
	curl_easy_setopt(curl, URL, "https://model.example/bytes/200000");
	if (curl_easy_perform(curl) != 0)
		return 1;
	printf("got %zu\n", got);
	curl_easy_cleanup(curl);
	return 0;
}
