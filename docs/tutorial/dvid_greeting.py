"""A datatype in one file: it greets in the language that was chosen, at every version its own."""

from dvid_framework.api import Answer, Datatype, FromPath, Instance, InstanceRequest, get, hookimpl, post, text_answer


class GreetingInstance(Instance):
    """One data instance: a word for each language."""


@get("/greet/{language:str}/{name:str}")
async def greet(request: InstanceRequest[GreetingInstance], language: FromPath[str], name: FromPath[str]) -> Answer:
    """Greet somebody in a language."""
    word = request.view.get(language.encode())
    return text_answer(f"{'?' if word is None else bytes(word).decode()}, {name}!")


@post("/word/{language:str}")
async def set_word(request: InstanceRequest[GreetingInstance], language: FromPath[str]) -> Answer:
    """Set the greeting of a language at this version."""
    word = await request.read_body(limit=1000)

    def write() -> None:
        with request.begin() as txn:
            txn.put(language.encode(), word)
            txn.emit("word", Language=language)

    await request.run(write)
    return text_answer("set")


class Greeting(Datatype):
    """Greetings, versioned."""

    name = "greeting"
    instance = GreetingInstance
    routes = (greet, set_word)
    logged = True


@hookimpl
def dvid_datatypes() -> list[type[Datatype]]:
    return [Greeting]
