"""A small agent: asks its model (Anthropic Messages, streamed), runs the tool that the model calls, and asks again with its result."""
import http.client
import json
import os
import ssl
import sys

HOST, PORT = os.environ.get("MODEL_HOST", "localhost"), int(os.environ.get("MODEL_PORT", "8443"))
TOOL = {
    "name": "get_weather",
    "description": "The weather in a city, now",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def get_weather(city):
    return {"city": city, "temp_c": 9, "sky": "light rain"}


def ask(connection, messages):
    """One request. Returns the content blocks of the answer, put together from its stream of events."""
    body = {"model": "pretend-large", "max_tokens": 256, "stream": True, "tools": [TOOL], "messages": messages}
    body["system"] = "You are an assistant who helps people to dress."
    headers = {"content-type": "application/json", "x-api-key": "sk-demo-4f1d0c9a77e2"}
    connection.request("POST", "/v1/messages", json.dumps(body), headers)
    blocks = []
    for line in connection.getresponse():
        if not line.startswith(b"data: "):
            continue
        event = json.loads(line[6:])
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"], partial=""))
        elif event["type"] == "content_block_delta":
            delta = event["delta"]
            blocks[-1]["partial"] += delta.get("text") or delta.get("partial_json") or ""
    for block in blocks:
        partial = block.pop("partial")
        if block["type"] == "text":
            block["text"] = partial
        else:
            block["input"] = json.loads(partial)
    return blocks


def main():
    messages = [{"role": "user", "content": sys.argv[1]}]
    connection = http.client.HTTPSConnection(HOST, PORT, context=ssl.create_default_context())
    while True:
        answer = ask(connection, messages)
        messages.append({"role": "assistant", "content": answer})
        calls = [block for block in answer if block["type"] == "tool_use"]
        if not calls:
            break
        results = [{"type": "tool_result", "tool_use_id": c["id"], "content": json.dumps(get_weather(**c["input"]))} for c in calls]
        messages.append({"role": "user", "content": results})
    connection.close()


main()
