// Serves the routes of routes.openapi.yaml for DataMiner Ticketing 2: the Automation script behind a user-defined API.
// What to install and which rights it needs: docs/dataminer.md of tmf656-bridge. References: Newtonsoft.Json.dll and the
// NuGet package Skyline.DataMiner.SDM.Ticketing. Routes: <prefix>/about, /tickets, /ticket, /notes; input "raw body".
// SPDX-License-Identifier: Apache-2.0

using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;

using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

using Skyline.DataMiner.Automation;
using Skyline.DataMiner.Net.Apps.UserDefinableApis;
using Skyline.DataMiner.Net.Apps.UserDefinableApis.Actions;
using Skyline.DataMiner.Net.Messages.SLDataGateway;
using Skyline.DataMiner.SDM.Ticketing;
using Skyline.DataMiner.SDM.Ticketing.Models;

using SLDataGateway.API.Querying;

public class Script
{
    private const string Contract = "1.0";

    /// <summary>
    /// Held while a key is looked up and its ticket created, while a version is compared and the ticket changed, and while
    /// a code is looked up and its note added. It holds within one Agent: let the bridge call the API of one Agent only.
    /// </summary>
    private static readonly object Writing = new object();

    [AutomationEntryPoint(AutomationEntryPointType.Types.OnApiTrigger)]
    public ApiTriggerOutput OnApiTrigger(IEngine engine, ApiTriggerInput requestData)
    {
        try
        {
            return Answer(new TicketSystem(engine), new Request(requestData));
        }
        catch (Refusal refusal)
        {
            return Output(refusal.Status, refusal.Body);
        }
    }

    private static ApiTriggerOutput Answer(TicketSystem system, Request request)
    {
        switch (request.Method + " " + request.Name)
        {
            case "Get about":
                return Output(200, About(system));
            case "Get tickets":
                return Output(200, List(system, request));
            case "Get ticket":
                return Output(200, system.Said(Wanted(system, request)));
            case "Get notes":
                return Output(200, new JObject { { "notes", system.SaidNotes(Wanted(system, request)) } });
            case "Post tickets":
                return Create(system, request);
            case "Put ticket":
                return Change(system, request);
            case "Post notes":
                return AddNote(system, request);
            default:
                throw new Refusal(405, "The method is not valid for this route.");
        }
    }

    private static JObject About(TicketSystem system)
    {
        return new JObject
        {
            { "contract", Contract },
            { "system", "DataMiner Ticketing" },
            { "serverTime", Time.Said(DateTime.UtcNow) },
            { "states", new JArray(Words<TicketStatus>.All) },
            { "endedStates", new JArray(Words<TicketStatus>.All.Where(word => TicketSystem.Ended.Contains(word))) },
            { "priorities", new JArray(Words<TicketPriority>.All) },
            { "severities", new JArray(Words<TicketSeverity>.All) },
            { "writable", new JArray(TicketSystem.Writable) },
            { "types", new JArray(system.TypeNames()) },
            { "fields", new JArray() },
            { "capabilities", new JObject { { "findByKey", true }, { "ifVersion", true }, { "notes", true } } },
        };
    }

    private static JObject List(TicketSystem system, Request request)
    {
        int limit = request.Limit;
        DateTime since = request.Since;
        Position after = request.After;
        List<Ticket> found;
        string key = request.Query("key");
        if (key != null)
        {
            Request.RequireLength(key, "key");
            found = system.WithKey(key).Where(ticket => Time.Utc(ticket.LastModified) >= since).ToList();
            found = found.Where(ticket => after.IsBefore(ticket)).OrderBy(Position.Of).Take(limit + 1).ToList();
        }
        else
        {
            found = system.ChangedSince(since, after, limit + 1);
        }

        List<Ticket> page = found.Take(limit).ToList();
        bool more = found.Count > limit;
        return new JObject
        {
            { "tickets", new JArray(page.Select(system.Said)) },
            { "next", more ? (JToken)Position.Of(page.Last()).ToString() : JValue.CreateNull() },
            { "serverTime", Time.Said(DateTime.UtcNow) },
        };
    }

    private static ApiTriggerOutput Create(TicketSystem system, Request request)
    {
        JObject body = request.Body;
        Request.RequireOnly(body, "key", "fields");
        string key = Request.Text(body, "key");
        Request.RequireLength(key, "key");
        var fields = body["fields"] as JObject;
        if (fields == null)
        {
            throw new Refusal(400, "fields must be an object.");
        }

        var ticket = new Ticket();
        system.Assign(ticket, fields);
        if (string.IsNullOrEmpty(ticket.Name))
        {
            throw new Refusal(400, "fields.name must be a text that is not empty.");
        }

        lock (Writing)
        {
            Ticket known = system.WithKey(key).OrderBy(each => each.CreatedAt).FirstOrDefault();
            if (known != null)
            {
                return Output(200, system.Said(known));
            }

            return Output(201, system.Said(system.Create(ticket, key)));
        }
    }

    private static ApiTriggerOutput Change(TicketSystem system, Request request)
    {
        JObject changes = request.Body;
        string expected = request.Query("ifVersion");
        lock (Writing)
        {
            Ticket ticket = Wanted(system, request);
            string version = Position.Of(ticket).Version;
            if (expected != null && expected != version)
            {
                JObject conflict = Refusal.Errors("The ticket has version " + version + ".");
                conflict["ticket"] = system.Said(ticket);
                return Output(409, conflict);
            }

            if (!system.Assign(ticket, changes))
            {
                return Output(200, system.Said(ticket));
            }

            if (string.IsNullOrEmpty(ticket.Name))
            {
                throw new Refusal(400, "name must not be empty.");
            }

            return Output(200, system.Said(system.Update(ticket)));
        }
    }

    private static ApiTriggerOutput AddNote(TicketSystem system, Request request)
    {
        JObject body = request.Body;
        string text = Request.Text(body, "text");
        string code = Request.Text(body, "code");
        if (!TicketSystem.IsCode(code))
        {
            throw new Refusal(400, "code must be 1 to 100 letters, digits, - and _.");
        }

        if (string.IsNullOrWhiteSpace(text))
        {
            throw new Refusal(400, "text must be a text that is not empty.");
        }

        lock (Writing)
        {
            Ticket ticket = Wanted(system, request);
            TicketNote known = system.Notes(ticket).FirstOrDefault(note => TicketSystem.CodeOf(note) == code);
            if (known != null)
            {
                return Output(200, TicketSystem.Said(known));
            }

            return Output(201, TicketSystem.Said(system.AddNote(ticket, text, code)));
        }
    }

    private static Ticket Wanted(TicketSystem system, Request request)
    {
        string id = request.Query("id");
        if (string.IsNullOrEmpty(id))
        {
            throw new Refusal(400, "The parameter id is missing.");
        }

        Guid guid;
        Ticket ticket = Guid.TryParse(id, out guid) ? system.Find(guid) : null;
        if (ticket == null)
        {
            throw new Refusal(404, "There is no ticket with this id.");
        }

        return ticket;
    }

    private static ApiTriggerOutput Output(int status, JObject body)
    {
        return new ApiTriggerOutput { ResponseCode = status, ResponseBody = body.ToString(Formatting.None) };
    }
}

/// <summary>What was asked for, read with care.</summary>
internal sealed class Request
{
    private const int LongestKey = 100;
    private const int LargestPage = 1000;
    private const int UsualPage = 100;

    private readonly ApiTriggerInput input;

    public Request(ApiTriggerInput input)
    {
        this.input = input;
        string route = (input.Route ?? string.Empty).Trim('/');
        Name = route.Substring(route.LastIndexOf('/') + 1).ToLowerInvariant();
        Method = input.RequestMethod.ToString();
    }

    public string Method { get; private set; }

    /// <summary>The last part of the route: the prefix is free.</summary>
    public string Name { get; private set; }

    /// <summary>The body as it came: texts that look like times stay texts.</summary>
    public JObject Body
    {
        get
        {
            try
            {
                using (var reader = new JsonTextReader(new StringReader(input.RawBody ?? string.Empty)))
                {
                    reader.DateParseHandling = DateParseHandling.None;
                    var body = JToken.ReadFrom(reader) as JObject;
                    if (body == null || reader.Read())
                    {
                        throw new Refusal(400, "The body must be a JSON object.");
                    }

                    return body;
                }
            }
            catch (JsonException)
            {
                throw new Refusal(400, "The body is no JSON.");
            }
        }
    }

    public int Limit
    {
        get
        {
            string text = Query("limit");
            int limit;
            if (text == null)
            {
                return UsualPage;
            }

            if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out limit) || limit < 1 || limit > LargestPage)
            {
                throw new Refusal(400, "limit must be a whole number from 1 to 1000.");
            }

            return limit;
        }
    }

    public DateTime Since
    {
        get { return Query("since") == null ? DateTime.MinValue : Time.Read(Query("since"), "since"); }
    }

    public Position After
    {
        get { return Query("after") == null ? Position.Start : Position.Read(Query("after")); }
    }

    public static void RequireOnly(JObject body, params string[] names)
    {
        string[] unknown = body.Properties().Select(property => property.Name).Except(names).ToArray();
        if (unknown.Length > 0)
        {
            throw new Refusal(400, "Unknown: " + string.Join(", ", unknown) + ".");
        }
    }

    public static void RequireLength(string text, string name)
    {
        if (text.Length < 1 || text.Length > LongestKey)
        {
            throw new Refusal(400, name + " must be a text of 1 to 100 characters.");
        }
    }

    public static string Text(JObject body, string name)
    {
        JToken value = body[name];
        if (value == null || value.Type != JTokenType.String)
        {
            throw new Refusal(400, name + " must be a text.");
        }

        return (string)value;
    }

    public string Query(string name)
    {
        string value;
        return input.QueryParameters != null && input.QueryParameters.TryGetValue(name, out value) ? value : null;
    }
}

/// <summary>The request is answered with an error, and nothing was changed.</summary>
internal sealed class Refusal : Exception
{
    public Refusal(int status, string detail)
        : base(detail)
    {
        Status = status;
        Body = Errors(detail);
    }

    public int Status { get; private set; }

    public JObject Body { get; private set; }

    /// <summary>An error in the shape of DataMiner's own, which have an errorCode besides.</summary>
    public static JObject Errors(string detail)
    {
        var error = new JObject { { "title", "The request could not be handled." }, { "detail", detail } };
        return new JObject { { "errors", new JArray(error) } };
    }
}

/// <summary>The place of a ticket in the order of changes: when it was last changed, then its id.</summary>
internal sealed class Position : IComparable<Position>
{
    public static readonly Position Start = new Position(-1, Guid.Empty);

    private static readonly Regex Form = new Regex("^([0-9]{1,19})_([0-9a-fA-F-]{1,40})$");

    private readonly long ticks;
    private readonly Guid guid;

    private Position(long ticks, Guid guid)
    {
        this.ticks = ticks;
        this.guid = guid;
    }

    public string Version
    {
        get { return ticks.ToString(CultureInfo.InvariantCulture); }
    }

    public DateTime At
    {
        get { return ticks < 0 || ticks > DateTime.MaxValue.Ticks ? DateTime.MinValue : new DateTime(ticks, DateTimeKind.Utc); }
    }

    public static Position Of(Ticket ticket)
    {
        return new Position(Time.Utc(ticket.LastModified).Ticks, ticket.Guid);
    }

    public static Position Read(string text)
    {
        Match match = Form.Match(text);
        long ticks;
        Guid guid;
        if (!match.Success || !long.TryParse(match.Groups[1].Value, out ticks))
        {
            throw new Refusal(400, "after must be what next was.");
        }

        return new Position(ticks, Guid.TryParse(match.Groups[2].Value, out guid) ? guid : Guid.Empty);
    }

    public bool IsBefore(Ticket ticket)
    {
        return CompareTo(Of(ticket)) < 0;
    }

    public int CompareTo(Position other)
    {
        return ticks != other.ticks
            ? ticks.CompareTo(other.ticks)
            : string.CompareOrdinal(guid.ToString("N"), other.guid.ToString("N"));
    }

    public override string ToString()
    {
        return Version + "_" + guid;
    }
}

internal static class Time
{
    public static DateTime Utc(DateTime at)
    {
        return at.Kind == DateTimeKind.Unspecified ? DateTime.SpecifyKind(at, DateTimeKind.Utc) : at.ToUniversalTime();
    }

    public static string Said(DateTime at)
    {
        return Utc(at).ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);
    }

    public static DateTime Read(string text, string name)
    {
        DateTimeOffset at;
        if (!DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out at))
        {
            throw new Refusal(400, name + " must be an instant like 2026-01-31T12:00:00Z.");
        }

        return at.UtcDateTime;
    }
}

/// <summary>The words of an enumeration, as people read them: its description, else its name with blanks.</summary>
internal static class Words<T>
    where T : struct
{
    private static readonly Dictionary<string, T> Values = Enum.GetValues(typeof(T)).Cast<T>().ToDictionary(Said);

    public static string[] All
    {
        get { return Values.Keys.ToArray(); }
    }

    public static string Said(T value)
    {
        string name = value.ToString();
        var member = typeof(T).GetField(name);
        var description = member == null
            ? null
            : member.GetCustomAttributes(typeof(DescriptionAttribute), false).Cast<DescriptionAttribute>().FirstOrDefault();
        return description != null ? description.Description : Regex.Replace(name, "(?<=[a-z])(?=[A-Z])", " ");
    }

    public static T Read(string word, string name)
    {
        T value;
        if (!Values.TryGetValue(word, out value))
        {
            throw new Refusal(422, name + " must be one of " + string.Join(", ", Values.Keys) + ".");
        }

        return value;
    }
}

/// <summary>
/// Tickets by Skyline's helper: the only part that knows its types. The key of a ticket is one of its external identifiers,
/// the code of a note stands in the first line of its text. A ticket type with fields of its own needs them added to
/// Said and Assign, and their names to `fields` of About.
/// </summary>
internal sealed class TicketSystem
{
    public static readonly string[] Writable = { "name", "description", "type", "state", "priority", "severity" };
    public static readonly string[] Ended = { "Closed", "Cancelled", "Rejected" };

    private const string KeyPrefix = "tmf656-bridge:";

    private static readonly Regex Code = new Regex("^[^\r\n]*?\\[n:([A-Za-z0-9_-]{1,100})\\]");

    private readonly TicketingApiHelper helper;

    public TicketSystem(IEngine engine)
    {
        helper = new TicketingApiHelper(engine.GetUserConnection());
    }

    public static bool IsCode(string text)
    {
        return Regex.IsMatch(text, "^[A-Za-z0-9_-]{1,100}\\z");
    }

    public static string CodeOf(TicketNote note)
    {
        Match match = Code.Match(note.Note ?? string.Empty);
        return match.Success ? match.Groups[1].Value : null;
    }

    public static JObject Said(TicketNote note)
    {
        return new JObject
        {
            { "id", note.Guid.ToString() },
            { "code", CodeOf(note) },
            { "author", note.CreatedBy ?? string.Empty },
            { "at", Time.Said(note.CreatedAt) },
            { "text", note.Note ?? string.Empty },
        };
    }

    public string[] TypeNames()
    {
        return helper.TicketTypes.Read(new TRUEFilterElement<TicketType>()).Select(type => type.Name).ToArray();
    }

    public Ticket Find(Guid guid)
    {
        return helper.Tickets.Read(TicketExposers.Guid.Equal(guid)).FirstOrDefault();
    }

    public List<Ticket> WithKey(string key)
    {
        return helper.Tickets.Read(TicketExposers.ExternalIdentifiers.ExternalId.Equal(KeyPrefix + key)).ToList();
    }

    /// <summary>
    /// The first tickets behind a position, in the order of changes. The database sorts by time only, so more are read
    /// while those of one instant do not fit.
    /// </summary>
    public List<Ticket> ChangedSince(DateTime since, Position after, int most)
    {
        DateTime begin = after.At > since ? after.At : since;
        FilterElement<Ticket> filter = TicketExposers.LastModified.GreaterThanOrEqual(begin);
        for (int take = most + 1; ; take *= 2)
        {
            List<Ticket> read = helper.Tickets.Read(filter.OrderBy(TicketExposers.LastModified).Limit(take)).ToList();
            bool all = read.Count < take;
            DateTime last = all ? DateTime.MaxValue : read.Max(ticket => ticket.LastModified);
            List<Ticket> behind = read
                .Where(ticket => after.IsBefore(ticket) && (all || ticket.LastModified < last))
                .OrderBy(Position.Of)
                .Take(most)
                .ToList();
            if (all || behind.Count == most)
            {
                return behind;
            }
        }
    }

    public Ticket Create(Ticket ticket, string key)
    {
        ticket.ExternalIdentifiers.Add(new TicketExternalIdentifier { ExternalId = KeyPrefix + key });
        helper.Tickets.Create(ticket);
        return WithKey(key).First();
    }

    public Ticket Update(Ticket ticket)
    {
        helper.Tickets.Update(ticket);
        return Find(ticket.Guid);
    }

    public List<TicketNote> Notes(Ticket ticket)
    {
        return helper.Notes.Read(TicketNoteExposers.Ticket.Equal(ticket.Guid)).OrderBy(note => note.CreatedAt).ToList();
    }

    /// <summary>Adds a note and saves its ticket, so that the ticket counts as changed.</summary>
    public TicketNote AddNote(Ticket ticket, string text, string code)
    {
        var note = new TicketNote { Ticket = ticket, Note = text };
        if (CodeOf(note) != code)
        {
            note.Note = "[n:" + code + "] " + text;
        }

        helper.Notes.Create(note);
        helper.Tickets.Update(ticket);
        return Notes(ticket).Last(each => CodeOf(each) == code);
    }

    public JArray SaidNotes(Ticket ticket)
    {
        return new JArray(Notes(ticket).Select(Said));
    }

    public JObject Said(Ticket ticket)
    {
        string key = ticket.ExternalIdentifiers
            .Select(each => each.ExternalId ?? string.Empty)
            .FirstOrDefault(each => each.StartsWith(KeyPrefix, StringComparison.Ordinal));
        return new JObject
        {
            { "id", ticket.Guid.ToString() },
            { "number", ticket.ID ?? string.Empty },
            { "name", ticket.Name ?? string.Empty },
            { "description", ticket.Description ?? string.Empty },
            { "state", Words<TicketStatus>.Said(ticket.Status) },
            { "priority", Words<TicketPriority>.Said(ticket.Priority) },
            { "severity", Words<TicketSeverity>.Said(ticket.Severity) },
            { "createdAt", Time.Said(ticket.CreatedAt) },
            { "createdBy", ticket.CreatedBy ?? string.Empty },
            { "lastModified", Time.Said(ticket.LastModified) },
            { "lastModifiedBy", ticket.LastModifiedBy ?? string.Empty },
            { "version", Position.Of(ticket).Version },
            { "key", key == null ? null : key.Substring(KeyPrefix.Length) },
            { "fields", new JObject() },
            { "notes", SaidNotes(ticket) },
        };
    }

    /// <summary>Gives a ticket the values of a request; tells whether one of them is different.</summary>
    public bool Assign(Ticket ticket, JObject values)
    {
        bool retyped = false;
        JObject before = JObject.Parse(JsonConvert.SerializeObject(Assignable(ticket)));
        foreach (JProperty property in values.Properties())
        {
            switch (property.Name)
            {
                case "name":
                    ticket.Name = Request.Text(values, "name");
                    break;
                case "description":
                    ticket.Description = Request.Text(values, "description");
                    break;
                case "type":
                    ticket.Type = TypeNamed(Request.Text(values, "type"));
                    retyped = true;
                    break;
                case "state":
                    ticket.Status = Words<TicketStatus>.Read(Request.Text(values, "state"), "state");
                    break;
                case "priority":
                    ticket.Priority = Words<TicketPriority>.Read(Request.Text(values, "priority"), "priority");
                    break;
                case "severity":
                    ticket.Severity = Words<TicketSeverity>.Read(Request.Text(values, "severity"), "severity");
                    break;
                case "fields":
                    RequireNoFields(property.Value);
                    break;
                default:
                    throw new Refusal(422, "Unknown or read-only: " + property.Name + ".");
            }
        }

        return retyped || !JToken.DeepEquals(before, JObject.Parse(JsonConvert.SerializeObject(Assignable(ticket))));
    }

    private TicketType TypeNamed(string name)
    {
        TicketType type = helper.TicketTypes.Read(TicketTypeExposers.Name.Equal(name)).FirstOrDefault();
        if (type == null)
        {
            throw new Refusal(422, "type must be one of " + string.Join(", ", TypeNames()) + ".");
        }

        return type;
    }

    private static object Assignable(Ticket ticket)
    {
        return new { ticket.Name, ticket.Description, ticket.Status, ticket.Priority, ticket.Severity };
    }

    private static void RequireNoFields(JToken fields)
    {
        var named = fields as JObject;
        if (named == null)
        {
            throw new Refusal(400, "fields must be an object.");
        }

        if (named.Count > 0)
        {
            throw new Refusal(422, "Unknown: " + string.Join(", ", named.Properties().Select(each => each.Name)) + ".");
        }
    }
}
