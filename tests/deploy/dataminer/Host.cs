// Serves TicketRoutes.cs over HTTP as DataMiner's endpoint does, with the stand-ins of deploy/dataminer/stubs.
// Usage: mono host.exe PORT TOKEN. Says "ready" once it listens, and ends with its standard input.

using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Text;
using System.Threading;

using Skyline.DataMiner.Automation;
using Skyline.DataMiner.Net;
using Skyline.DataMiner.Net.Apps.UserDefinableApis;
using Skyline.DataMiner.Net.Apps.UserDefinableApis.Actions;

internal static class Host
{
    private const string Prefix = "/api/custom/";

    private static readonly Dictionary<string, string> Allowed = new Dictionary<string, string>
    {
        { "about", "GET" },
        { "tickets", "GET, POST" },
        { "ticket", "GET, PUT" },
        { "notes", "GET, POST" },
    };

    private static void Main(string[] arguments)
    {
        var listener = new HttpListener();
        listener.Prefixes.Add("http://127.0.0.1:" + arguments[0] + "/");
        listener.Start();
        new Thread(() =>
        {
            while (listener.IsListening)
            {
                HttpListenerContext context = listener.GetContext();
                ThreadPool.QueueUserWorkItem(_ => Serve(context, arguments[1]));
            }
        }) { IsBackground = true }.Start();
        Console.WriteLine("ready");
        while (Console.ReadLine() != null)
        {
        }

        Environment.Exit(0);
    }

    private static void Serve(HttpListenerContext context, string token)
    {
        ApiTriggerOutput output;
        try
        {
            output = Answer(context.Request, token);
        }
        catch (Exception error)
        {
            Console.Error.WriteLine(error);
            output = Error(500, 12, "The script could not be executed.");
        }

        byte[] body = Encoding.UTF8.GetBytes(output.ResponseBody);
        context.Response.StatusCode = output.ResponseCode;
        context.Response.ContentType = "application/json";
        if (output.ResponseCode == 405)
        {
            context.Response.Headers["Allow"] = Allowed[Route(context.Request)];
        }

        context.Response.ContentLength64 = body.Length;
        context.Response.Close(body, true);
    }

    private static string Route(HttpListenerRequest request)
    {
        string path = request.Url.AbsolutePath;
        return path.StartsWith(Prefix) ? path.Substring(path.LastIndexOf('/') + 1) : string.Empty;
    }

    private static ApiTriggerOutput Answer(HttpListenerRequest request, string token)
    {
        if (request.Headers["Authorization"] != "Bearer " + token)
        {
            return Error(401, 1010, "The secret is not valid.");
        }

        if (!Allowed.ContainsKey(Route(request)))
        {
            return Error(404, 5, "There is no definition with this route.");
        }

        RequestMethod method;
        if (!Enum.TryParse(request.HttpMethod, true, out method))
        {
            return Error(405, 3, "The method is not valid.");
        }

        string type = (request.ContentType ?? "").Split(';')[0].Trim().ToLowerInvariant();
        if (type != "" && type != "application/json" && type != "text/plain" && type != "text/xml" && type != "application/xml")
        {
            return Error(415, 1003, "The content type is not supported.");
        }

        string body = new StreamReader(request.InputStream, Encoding.UTF8).ReadToEnd();
        var input = new ApiTriggerInput
        {
            RequestMethod = method,
            Route = request.Url.AbsolutePath.Substring(Prefix.Length),
            RawBody = body,
            QueryParameters = new Query(request.Url.Query),
        };
        return new Script().OnApiTrigger(new Engine(), input);
    }

    private static ApiTriggerOutput Error(int status, int code, string detail)
    {
        string body = "{\"errors\":[{\"title\":\"Error\",\"detail\":\"" + detail + "\",\"errorCode\":" + code + "}]}";
        return new ApiTriggerOutput { ResponseCode = status, ResponseBody = body };
    }

    private sealed class Query : IQueryParameters
    {
        private readonly Dictionary<string, string> values = new Dictionary<string, string>();

        public Query(string text)
        {
            foreach (string part in text.TrimStart('?').Split('&').Where(part => part != ""))
            {
                string[] pair = part.Split(new[] { '=' }, 2);
                string name = Uri.UnescapeDataString(pair[0].Replace('+', ' '));
                if (!values.ContainsKey(name))
                {
                    values[name] = pair.Length > 1 ? Uri.UnescapeDataString(pair[1].Replace('+', ' ')) : "";
                }
            }
        }

        public bool TryGetValue(string key, out string value)
        {
            return values.TryGetValue(key, out value);
        }
    }

    private sealed class Engine : IEngine, IConnection
    {
        public IConnection GetUserConnection()
        {
            return this;
        }
    }
}
