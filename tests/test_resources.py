"""rollproof.resources and rollproof.service_fabric: what the model says of elsewhere."""

import pytest

from rollproof.document import dumps, loads
from rollproof.errors import InvalidDocument, InvalidFields
from rollproof.fleet import ScaleSet
from rollproof.health import HttpProbe, TcpProbe
from rollproof.images import ImageReference
from rollproof.resources import Credential, ExternalResource, moment
from rollproof.service_fabric import Durability, ServiceFabric

HEAD = 'name = "web"\n[image_reference]\nimage = "web-os"\n'


def declared(text: str) -> ScaleSet:
    return loads(HEAD + text)


class TestCredential:
    """R4.10: where its expiry can be read; never the credential itself."""

    def test_by_file_or_by_date(self) -> None:
        assert Credential(name="a", file="a.token").expires is None
        assert Credential(name="a", expires="2030-01-31T12:00:00Z").file is None

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({}, "neither of file and expires"),
            ({"file": "a", "expires": "2030-01-31T12:00:00Z"}, "both of file and expires"),
        ],
    )
    def test_one_of_the_two(self, fields: dict[str, str], said: str) -> None:
        with pytest.raises(InvalidFields, match=rf"{said}.*R4\.10"):
            Credential(name="a", **fields)

    @pytest.mark.parametrize("text", ["2030-01-31", "2030-01-31T12:00:00", "soon", ""])
    def test_a_date_needs_an_offset(self, text: str) -> None:
        assert moment(text) is None
        with pytest.raises(InvalidFields, match=r"with an\s+offset"):
            Credential(name="a", expires=text)


class TestExternalResource:
    """R2.2."""

    def test_by_address_or_by_path(self) -> None:
        assert ExternalResource(name="a", url="https://x/y?sig=1").path is None
        assert ExternalResource(name="a", path="scripts").url is None

    @pytest.mark.parametrize("fields", [{}, {"url": "http://x/", "path": "y"}])
    def test_one_of_the_two(self, fields: dict[str, str]) -> None:
        with pytest.raises(InvalidFields, match=r"of url and path.*R2\.2"):
            ExternalResource(name="a", **fields)

    @pytest.mark.parametrize("url", ["ftp://x/", "http://", "https://a b", "x", ""])
    def test_an_address_is_of_http(self, url: str) -> None:
        with pytest.raises(InvalidFields, match="with http or https"):
            ExternalResource(name="a", url=url)


class TestNames:
    """Of resources and credentials in one set."""

    def test_a_credential_must_be_declared(self) -> None:
        resource = '[[external_resources]]\nname = "p"\npath = "x"\ncredential = "stroage"\n'
        with pytest.raises(InvalidDocument, match="Declare it under credentials"):
            declared(resource)
        known = '[[credentials]]\nname = "storage"\nfile = "t"\n'
        with pytest.raises(InvalidDocument, match="Did you mean 'storage'"):
            declared(known + resource)
        fine = declared(known + resource.replace("stroage", "storage"))
        assert fine.external_resources[0].credential == "storage"

    @pytest.mark.parametrize(
        "table",
        [
            '[[credentials]]\nname = "a"\nfile = "t"\n',
            '[[external_resources]]\nname = "a"\npath = "t"\n',
        ],
    )
    def test_none_twice(self, table: str) -> None:
        with pytest.raises(InvalidDocument, match="a name that no other one bears"):
            declared(table * 2)


class TestServiceFabric:
    """R6.1."""

    def test_written_down(self) -> None:
        text = (
            '[service_fabric]\ncluster_durability = "Silver"\nextension_durability = "Gold"\n'
            'extension_handler_version = "1.10"\n'
        )
        fabric = declared(text).service_fabric
        assert fabric is not None
        assert (fabric.cluster_durability, fabric.handler) == (Durability.SILVER, (1, 10))

    @pytest.mark.parametrize("version", ["1", "1.x", "1.1.1.1.1", "", "1."])
    def test_a_handler_version_is_numbers(self, version: str) -> None:
        with pytest.raises(InvalidFields, match=r"R6\.1"):
            ServiceFabric(
                cluster_durability=Durability.GOLD,
                extension_durability=Durability.GOLD,
                extension_handler_version=version,
            )


class TestHealthSources:
    """R2.2: more than one can be read, and is refused by the rule of that name."""

    HTTP = '[[health]]\nkind = "http"\nport = 80\n'
    TCP = '[[health]]\nkind = "tcp"\nport = 81\n'

    def test_one(self) -> None:
        assert declared(self.HTTP).health_sources == (HttpProbe(port=80),)
        assert declared(self.HTTP) == declared(self.HTTP.replace("[[health]]", "[health]"))
        assert declared("").health_sources == ()

    def test_two(self) -> None:
        both = declared(self.HTTP + self.TCP)
        assert both.health_sources == (HttpProbe(port=80), TcpProbe(port=81))
        assert loads(dumps(both)) == both

    def test_further_ones_without_a_first(self) -> None:
        alone = ScaleSet(
            name="web",
            image_reference=ImageReference(image="web-os"),
            further_health=(TcpProbe(port=81),),
        )
        assert alone.health_sources == (TcpProbe(port=81),)

    def test_a_wrong_one_is_told_by_its_place(self) -> None:
        with pytest.raises(InvalidDocument, match=r"further_health\[0\]\.kind"):
            declared(self.HTTP + self.TCP.replace("tcp", "udp"))
        with pytest.raises(InvalidDocument, match="health: "):
            loads("health = []\n" + HEAD)
